"""What is done with a study's result: picked, checked once more, registered, served."""
