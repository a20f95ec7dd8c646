"""What several formats have in common: names, colours, answers, label maps, JSON and YAML documents.

In: rows and classes. Out: values and bytes that formats put into their files. No format is known here.
Doors: attributes, colours, documents, endings, extras, label_maps, names, objects, segments, sizes,
tabular, yaml_documents.
"""
