#include "llmdit/chat.hpp"

#include "bindings.hpp"
#include "chat.hpp"
#include "llmdit/options.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

Role to_role(const py::object& role) {
  if (!py::isinstance<py::str>(role)) return py::cast<Role>(role);
  const auto name = py::cast<std::string>(role);
  const std::optional<Role> parsed = parse_role(name);
  if (!parsed) {
    constexpr std::string_view known[] = {"system", "user", "assistant"};
    const std::string guess(nearest_name(name, known));
    throw py::value_error("role is 'system', 'user' or 'assistant', not '" + name + "'" +
                          (guess.empty() ? "" : "; did you mean '" + guess + "'?"));
  }
  return *parsed;
}

}  // namespace

ChatOptions chat_options_from(const py::kwargs& keywords) {
  return Record<ChatOptions>::from_keywords(plain_template_keywords(keywords));
}

py::kwargs plain_template_keywords(const py::kwargs& keywords) {
  auto plain = py::reinterpret_steal<py::kwargs>(PyDict_Copy(keywords.ptr()));
  for (const char* name : {"template", "templates_dir"}) {
    if (!plain.contains(name)) continue;
    const py::object value = plain[name];
    if (py::hasattr(value, "__fspath__")) plain[name] = py::str(value.attr("__fspath__")());
    if (!py::isinstance<Template>(value)) continue;
    plain["prompt_template"] = value;
    plain[name] = py::none();
  }
  return plain;
}

void bind_chat(py::module_& m) {
  py::native_enum<Role>(m, "Role", "enum.Enum", "Who speaks in a turn.")
      .value("system", Role::system)
      .value("user", Role::user)
      .value("assistant", Role::assistant)
      .finalize();

  Record<Message> message(m, "Message", "One turn of a conversation.");
  message.read_write("role", &Message::role, "A Role; assigning takes no name.")
      .read_write("content", &Message::content, "The text of the turn.")
      .read_write("thinking", &Message::thinking,
                  "Rendered only in assistant turns of a conversation with enable_thinking.")
      .comparable();
  message.cls().def(py::init([](const py::object& role, std::string content, std::string thinking) {
                      return Message{to_role(role), std::move(content), std::move(thinking)};
                    }),
                    py::arg("role"), py::arg("content") = "", py::kw_only(), py::arg("thinking") = "",
                    "role: a Role or its name. Raises ValueError for a name that is none.");

  Record<Conversation> conversation(m, "Conversation",
                                    "The turns that are rendered into the text the language model reads.");
  conversation.read_write("messages", &Conversation::messages, "A list of Message; assign a list to change it.")
      .read_write("enable_thinking", &Conversation::enable_thinking,
                  "Gives every assistant turn a think block, empty when its `thinking` is.")
      .read_write("is_final", &Conversation::is_final, "Leaves the last turn open when its content is empty.")
      .constructible()
      .comparable();
  conversation.cls().def("render", &render, "The exact chat text of Qwen3's template; '' without messages.");

  Record<ChatOptions>(m, "ChatOptions", "The parts of a one-prompt conversation besides the prompt.")
      .read_write("system_prompt", &ChatOptions::system_prompt, "No system turn when empty.")
      .read_write("thinking_content", &ChatOptions::thinking_content,
                  "Text inside the assistant's think block; '' for none.")
      .read_write("assistant_content", &ChatOptions::assistant_content,
                  "Start of the assistant's answer; closes its turn.")
      .read_write("force_think_block", &ChatOptions::force_think_block,
                  "An empty think block when there is no thinking_content; None: as the template has it, else none.")
      .read_write("strip_quotes", &ChatOptions::strip_quotes, "Delete every ASCII double quote from all parts.")
      .read_write("clean_whitespace", &ChatOptions::clean_whitespace,
                  "Trim, and squeeze runs of blanks and empty lines.")
      .read_write("template", &ChatOptions::template_name,
                  "Whose parts take the places that are empty: a name of TemplateRegistry.standard, or the path of a\n"
                  "file, which holds a slash or ends in .md. As a keyword also a Template.")
      .read_write("templates_dir", &ChatOptions::templates_dir,
                  "Folder of own templates, see TemplateRegistry.standard.")
      .read_write("prompt_template", &ChatOptions::prompt_template,
                  "A Template; counts unless `template` names another.")
      .comparable()
      .cls()
      .def(py::init(&chat_options_from));

  m.def("render", &render, py::arg("conversation"), "The exact chat text of Qwen3's template; '' without messages.");
  m.def(
      "make_conversation",
      [](std::string_view prompt, const py::kwargs& chat) {
        return make_conversation(prompt, chat_options_from(chat));
      },
      py::arg("prompt"),
      "The conversation of one prompt; keywords are the attributes of ChatOptions.\n"
      "Raises NotFound for a template that is not there, Unsupported for a file that is none.");
  m.def(
      "format_prompt",
      [](std::string_view prompt, const py::kwargs& chat) { return format_prompt(prompt, chat_options_from(chat)); },
      py::arg("prompt"),
      "The exact text that is encoded for a prompt; keywords are the attributes of ChatOptions.\n"
      "Without any it is what diffusers' Z-Image pipeline encodes.\n"
      "Raises NotFound for a template that is not there, Unsupported for a file that is none.");
  m.def(
      "resolve_template",
      [](const ChatOptions& options) {
        py::gil_scoped_release released;
        return resolve_template(options);
      },
      py::arg("options"),
      "The options with the template's parts in their places, and without a template; what the options give wins.\n"
      "Raises NotFound for a template that is not there, Unsupported for a file that is none.");
  m.def("clean_content", &clean_content, py::arg("text"),
        "Trims both ends, turns three or more newlines into two and each run of other whitespace into one space.");
  m.def("strip_quotes", &strip_quotes, py::arg("text"), "Deletes every ASCII double quote.");
}

}  // namespace llmdit::python
