"""Every style of hand-written layer, in the form that the check takes."""
