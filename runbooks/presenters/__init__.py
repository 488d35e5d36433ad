"""Plain data of what is shown: the page, its fragments and the API all read these objects, so they never disagree."""
