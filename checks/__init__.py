"""The instruments: what is true on that machine, and is that bad?

This package needs no site. It knows commands, text, facts and verdicts, and nothing of Django, Celery, databases or runbooks.
Read it bottom to top: results → collectors → parsers → analyzers → probes → catalog → transports → engine → __main__.
"""
