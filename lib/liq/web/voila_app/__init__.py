"""The dashboard's Voila server (`server`), with its page template and page scripts.

Voila runs the notebook and renders its cells. Voila's JupyterLab front end has a hundred files, two
of them from other hosts. It is replaced by ``static/page.js``, which only draws the notebook's
widgets. Every file comes from this server. Kernels are forked (`forking`, `kernels`) from a process
that has already imported their packages (`preloaded`).
"""
