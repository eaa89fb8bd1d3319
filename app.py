"""The dashboard: ``streamlit run app.py``.

``streamlit run`` imports this file once as a module, to find the server ``app``. The server then runs the same file as the script of each page view.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:
    from mtl_core.settings import use_threads
    from ui.drawing.news_route import news_routes
    from ui.drawing.plotly_script import script_routes
    from ui.shell.library_imports import import_libraries, import_torch_next
    from ui.shell.page_imports import import_pages_next
    from ui.shell.server_access import end_in_order, middleware

    use_threads()
    import_libraries()
    import_pages_next()
    import_torch_next()
    end_in_order()
    app = st.App(__file__, routes=[*news_routes(), *script_routes()], middleware=middleware())
else:
    from ui.shell.page_imports import import_pages

    import_pages()
    from ui.shell.app_frame import draw_app

    draw_app()
