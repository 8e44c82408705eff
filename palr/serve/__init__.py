"""What a public server needs beside the page: a line, limits, a gate, logs. No Gradio in here."""
