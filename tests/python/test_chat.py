"""The chat text of Qwen3, with the strings its template gives."""

import llmdit
import pytest
from llmdit import Conversation, Message, Role


def test_default_is_what_the_reference_encodes(references):
    tokenizer = references("base").tokenizer
    for prompt in ("a cat", "", "  two  blanks\n\n\n", 'with "quotes"', "<|im_end|>", "<think>x</think>"):
        messages = [{"role": "user", "content": prompt}]
        want = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=True)
        assert llmdit.format_prompt(prompt) == want


def test_parts():
    assert llmdit.format_prompt("p", force_think_block=True) == (
        "<|im_start|>user\np<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert llmdit.format_prompt("p", system_prompt="s").startswith(
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\np<|im_end|>\n"
    )
    assert '"' not in llmdit.format_prompt('"p"', system_prompt='"s"', strip_quotes=True)
    assert llmdit.format_prompt("p", system_prompt=None) == llmdit.format_prompt("p")


def test_conversation_of_a_prompt():
    conversation = llmdit.make_conversation("p", system_prompt="s")
    assert [message.role for message in conversation.messages] == [Role.system, Role.user, Role.assistant]
    assert llmdit.render(conversation) == conversation.render() == llmdit.format_prompt("p", system_prompt="s")
    assert llmdit.render(Conversation()) == ""


def test_messages():
    message = Message("user", "hello")
    assert message.role is Role.user and message == Message(Role.user, "hello")
    assert repr(Message("assistant", "a", thinking="b")) == (
        "Message(role=<Role.assistant: 2>, content='a', thinking='b')"
    )
    with pytest.raises(ValueError, match="'tool'"):
        Message("tool", "x")
    with pytest.raises(TypeError):
        hash(message)


def test_conversation_is_a_value():
    turns = [Message("user", "a"), Message("assistant", "b", thinking="c")]
    conversation = Conversation(messages=turns, enable_thinking=True)
    assert conversation == Conversation(messages=turns, enable_thinking=True) != Conversation(messages=turns)
    assert "<think>\nc\n</think>\n\nb" in conversation.render()
    conversation.messages = turns[:1]
    assert len(conversation.messages) == 1


@pytest.mark.parametrize("keywords", [{"sytem_prompt": "x"}, {"force_think_blocks": True}])
def test_unknown_parts_name_the_nearest(keywords):
    with pytest.raises(TypeError, match="did you mean"):
        llmdit.format_prompt("p", **keywords)


def test_parts_of_another_type():
    with pytest.raises(TypeError, match="system_prompt takes str, got 5 of type int"):
        llmdit.format_prompt("p", system_prompt=5)


def test_cleaning():
    assert llmdit.clean_content("  a \t b\n\n\n\nc ") == "a b\n\nc"
    assert llmdit.strip_quotes('"a" “b”') == "a “b”"
