"""The executable writeup: what does it mean for this story?"""
