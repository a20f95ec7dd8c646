raise ModuleNotFoundError("No module named 'tasks'")
