"""Figures and pictures: functions from data to a Plotly figure or an image array. Import neither torch nor streamlit."""
