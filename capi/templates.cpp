#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

llmdit_templates* make_templates(TemplateRegistry registry) {
  llmdit_templates templates{std::move(registry)};
  for (const auto& [name, entry] : templates.value) {
    llmdit_templates::Entry& listed = templates.entries.emplace_back(&entry);
    for (const auto& [key, value] : entry.metadata) {
      listed.metadata_keys.push_back(key.c_str());
      listed.metadata_values.push_back(value.c_str());
    }
  }
  return make_handle(std::move(templates));  // the entries of a map stay where they are when it is moved
}

const llmdit_templates::Entry& entry_at(const llmdit_templates& templates, size_t index, std::string_view operation) {
  check_index(index, templates.entries.size(), operation);
  return templates.entries[index];
}

}  // namespace

llmdit_status llmdit_templates_load(llmdit_templates** templates, const char* own_folder) {
  return guarded([&] {
    llmdit_templates*& place = output(templates, "templates_load");
    place = make_templates(TemplateRegistry::standard(own_folder ? own_folder : ""));
  });
}

llmdit_status llmdit_templates_read(llmdit_templates** templates, const char* path) {
  return guarded([&] {
    llmdit_templates*& place = output(templates, "templates_read");
    const std::filesystem::path source = read_path(path, "templates_read");
    TemplateRegistry registry;
    std::error_code ignored;
    std::filesystem::is_directory(source, ignored) ? void(registry.load_directory(source)) : registry.load_file(source);
    place = make_templates(std::move(registry));
  });
}

size_t llmdit_templates_count(const llmdit_templates* templates) {
  return count_of(templates, "templates_count",
                  [](const llmdit_templates& held) -> const auto& { return held.entries; });
}

llmdit_status llmdit_templates_describe(llmdit_template_info* info, const llmdit_templates* templates, size_t index) {
  return guarded([&] {
    const char* operation = "templates_describe";
    const auto held = borrow(templates, operation);
    const auto& entry = entry_at(*held, index, operation);
    const Template& value = *entry.value;
    copy_struct(info,
                llmdit_template_info{
                    .struct_size = 0,
                    .name = value.name.c_str(),
                    .description = value.description.c_str(),
                    .category = value.category.c_str(),
                    .system_prompt = value.system_prompt.c_str(),
                    .thinking_content = value.thinking_content.c_str(),
                    .assistant_content = value.assistant_content.c_str(),
                    .add_think_block = value.add_think_block,
                    .path = value.path.c_str(),
                    .metadata_keys = {entry.metadata_keys.data(), entry.metadata_keys.size()},
                    .metadata_values = {entry.metadata_values.data(), entry.metadata_values.size()},
                },
                operation);
  });
}

llmdit_status llmdit_templates_find(size_t* index, const llmdit_templates* templates, const char* name) {
  return guarded([&] {
    const char* operation = "templates_find";
    size_t& place = output(index, operation);
    const auto held = borrow(templates, operation);
    const Template* found = &held->value.at(read_text(name, LLMDIT_NUL_TERMINATED, operation));
    place = static_cast<size_t>(std::ranges::find(held->entries, found, &llmdit_templates::Entry::value) -
                                held->entries.begin());
  });
}

llmdit_status llmdit_templates_search(llmdit_text** names, const llmdit_templates* templates, const char* words) {
  return guarded([&] {
    const char* operation = "templates_search";
    llmdit_text*& place = output(names, operation);
    const auto held = borrow(templates, operation);
    place = make_text(lines_of(held->value.search(read_text(words, LLMDIT_NUL_TERMINATED, operation))));
  });
}

llmdit_status llmdit_templates_render(llmdit_text** text, const llmdit_templates* templates, size_t index,
                                      const char* prompt, size_t prompt_length,
                                      const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "templates_render";
    llmdit_text*& place = output(text, operation);
    const auto held = borrow(templates, operation);
    ChatOptions chat = read_options(options, operation).chat;
    check(chat.template_name.empty(), operation, "expected options without a template, got '{}'", chat.template_name);
    chat.prompt_template = *entry_at(*held, index, operation).value;
    place = make_text(format_prompt(read_text(prompt, prompt_length, operation), chat));
  });
}

void llmdit_templates_free(llmdit_templates* templates) { free_handle(templates); }
