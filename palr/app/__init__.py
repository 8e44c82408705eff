"""One running application: what the page, the command line and programs share."""
