"""The chat text of Qwen3, under the name that other libraries have for what makes it."""

from typing import Any

from ._llmdit import Conversation, format_prompt, render


class Qwen3Formatter:
    """Turns conversations and prompts into the exact text that the text encoder reads."""

    __slots__ = ()

    def format(self, conversation: Conversation) -> str:
        """The text of a conversation; "" without messages."""
        return render(conversation)

    def format_prompt(self, prompt: str, **chat: Any) -> str:
        """The text of one prompt; keywords are the attributes of ChatOptions.

        Raises NotFound for a template that is not there, Unsupported for a file that is none.
        """
        return format_prompt(prompt, **chat)

    def __repr__(self) -> str:
        return "Qwen3Formatter()"
