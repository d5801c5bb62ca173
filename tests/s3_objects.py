"""Objects that tests put into a store."""


def put(folder, name, data):
    """Make or replace one object of an S3 folder."""
    with folder.writing(name) as file:
        file.write(data)
