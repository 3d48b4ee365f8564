"""Stand-in for slicer.i18n: the application language is English, so texts stay as they are."""


def translate(context: str, text: str) -> str:
    return text


def tr(text: str) -> str:
    return text
