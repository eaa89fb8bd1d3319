"""Figures and pictures: data in, Plotly figure or image array out. No torch, no streamlit."""
