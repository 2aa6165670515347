"""How Voila serves the dashboard: its server (`server`), page template and page scripts.

Voila runs the notebook and renders its cells. In place of Voila's JupyterLab front end (a hundred
files, two of them from other hosts) the page has a small one of our own, ``static/page.js``, which
draws the notebook's widgets and nothing else. Every file comes from this server. Its kernels are
forked (`forking`, `kernels`) from a process that has imported what they need (`preloaded`).
"""
