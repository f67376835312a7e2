#include "config.hpp"

#include "llmdit/error.hpp"
#include "options.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

/// A value of whatever kind, as a file might hold it; its key decides later what it has to be.
OptionValue any_value(const std::string& key, py::handle value) {
  if (value.is_none()) return std::monostate();
  if (py::isinstance<py::bool_>(value)) return py::cast<bool>(value);
  const auto as = [&](OptionKind kind) {
    OptionField field{};
    field.name = key;
    field.kind = kind;
    return from_python(field, value);
  };
  if (PyIndex_Check(value.ptr())) return as(OptionKind::integer);
  if (PyFloat_Check(value.ptr())) return as(OptionKind::number);
  const bool is_list = py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value);
  if (!is_list) return as(OptionKind::text);
  const auto items = py::reinterpret_borrow<py::sequence>(value);
  const bool has_texts = !items.empty() && !PyNumber_Check(py::object(items[0]).ptr());
  return as(has_texts ? OptionKind::texts : OptionKind::numbers);
}

Config config_from_dict(const py::dict& values) {
  std::vector<ConfigEntry> entries;
  const auto add = [&](const std::string& key, py::handle value) {
    OptionValue converted = any_value(key, value);
    if (std::holds_alternative<std::monostate>(converted)) return;  // None is "not given"
    entries.push_back({key, std::move(converted), "argument " + key});
  };
  for (auto [name, value] : values) {
    const auto section = py::cast<std::string>(name);
    if (!py::isinstance<py::dict>(value)) {
      add(section, value);
      continue;
    }
    for (auto [key, member] : py::reinterpret_borrow<py::dict>(value))
      add(section + "." + py::cast<std::string>(key), member);
  }
  return Config::from_entries(entries);
}

py::dict config_to_dict(const Config& config) {
  py::dict values;
  for (const ConfigEntry& entry : config.entries()) {
    const size_t dot = entry.key.find('.');
    if (dot == std::string::npos) {
      values[py::str(entry.key)] = to_python(entry.value);
      continue;
    }
    const py::str section(entry.key.substr(0, dot));
    if (!values.contains(section)) values[section] = py::dict();
    values[section][py::str(entry.key.substr(dot + 1))] = to_python(entry.value);
  }
  return values;
}

/// By its option's name or its key, also with an underscore for the dot: a rewriter's seed is `rewriter_seed`.
const Setting* setting_of_field(const std::string& name) {
  for (const Setting& setting : settings()) {
    std::string key = setting.key;
    std::replace(key.begin(), key.end(), '.', '_');
    if (setting.field->name == name || setting.key == name || key == name) return &setting;
  }
  return nullptr;
}

py::tuple entry_state(const ConfigEntry& entry) {
  return py::make_tuple(entry.key, to_python(entry.value), entry.origin);
}

const Setting& setting_from_key(const std::string& key) {
  for (const Setting& setting : settings()) {
    if (setting.key == key) return setting;
  }
  throw py::value_error("this version has no setting '" + key + "'");
}

ConfigEntry entry_from_state(const py::tuple& state) {
  const Setting& setting = setting_from_key(py::cast<std::string>(state[0]));
  return {setting.key, check_value(*setting.field, from_python(*setting.field, state[1])),
          py::cast<std::string>(state[2])};
}

py::list config_state(const Config& config) {
  py::list state;
  for (const ConfigEntry& entry : config.entries()) state.append(entry_state(entry));
  return state;
}

Config config_from_state(const py::list& state) {
  std::vector<ConfigEntry> entries;
  for (py::handle entry : state) entries.push_back(entry_from_state(py::reinterpret_borrow<py::tuple>(entry)));
  return Config::from_entries(entries);
}

Config overrides(const py::kwargs& keywords) {
  std::vector<ConfigEntry> entries;
  for (auto [name, value] : keywords) {
    const auto key = py::cast<std::string>(name);
    const Setting* setting = setting_of_field(key);
    if (!setting) {
      std::vector<std::string> known;
      for (const Setting& other : settings()) known.emplace_back(other.field->name);
      unexpected_keyword(key, known);
    }
    if (value.is_none()) continue;
    entries.push_back(
        {setting->key, check_value(*setting->field, from_python(*setting->field, value)), "argument " + key});
  }
  return Config::from_entries(entries);
}

ResolvedConfig resolve(const std::optional<Config>& config, bool environment, const py::kwargs& keywords) {
  ResolvedConfig resolved{.config = config ? *config : load_config()};
  if (environment) resolved.config.overlay(environment_config());
  resolved.config.overlay(overrides(keywords));
  resolved.runtime = runtime_config(resolved.config);
  return resolved;
}

py::dict origins(const ResolvedConfig& self) {
  py::dict by_key;
  for (const Setting& setting : settings()) {
    const ConfigEntry* entry = self.config.find(setting.key);
    by_key[py::str(setting.key)] = entry ? entry->origin : "built-in";
  }
  return by_key;
}

/// What is given of them, as keywords of PromptRewriter.rewrite.
py::dict rewrite_keywords(const ResolvedConfig& self) {
  py::dict given;
  for (const OptionField& field : option_fields<RewriteOptions>()) {
    const OptionValue value = field.get(&self.runtime.rewrite);
    if (!std::holds_alternative<std::monostate>(value)) given[py::str(std::string(field.name))] = to_python(value);
  }
  return given;
}

void bind_settings(py::module_& m) {
  py::class_<Setting>(m, "Setting", "A key of configuration files and what it sets.")
      .def_readonly("key", &Setting::key, "Below a profile, e.g. 'generation.width'.")
      .def_readonly("environment", &Setting::environment, "The variable, e.g. 'LLMDIT_WIDTH'.")
      .def_property_readonly(
          "field", [](const Setting& self) { return *self.field; }, "The OptionField that it sets.")
      .def_property_readonly(
          "default", [](const Setting& self) { return to_python(self.get(RuntimeConfig{})); },
          "The built-in value; None: not given.")
      .def(py::pickle([](const Setting& self) { return py::make_tuple(self.key); },
                      [](const py::tuple& state) { return setting_from_key(py::cast<std::string>(state[0])); }))
      .def("__repr__", [](const Setting& self) {
        const std::string value = short_repr(to_python(self.get(RuntimeConfig{})));
        return "<Setting " + self.key + ", " + self.environment + ", default " + value + ">";
      });
  py::class_<ConfigEntry>(m, "ConfigEntry", "A value that was given, under its setting's key.")
      .def_readonly("key", &ConfigEntry::key, "Of its Setting, e.g. 'generation.width'.")
      .def_property_readonly(
          "value", [](const ConfigEntry& self) { return to_python(self.value); }, "Of the setting's type.")
      .def_readonly("origin", &ConfigEntry::origin, "File and place, or what else gave the value.")
      .def(py::pickle(&entry_state, &entry_from_state))
      .def("__repr__", [](const ConfigEntry& self) {
        return "<ConfigEntry " + self.key + " = " + short_repr(to_python(self.value)) + " by " + self.origin + ">";
      });
  Record<ConfigRemark>(m, "ConfigRemark", "A place in a configuration file and what is to be said of it.")
      .read_only("file", &ConfigRemark::file, "As it was named.")
      .read_only("line", &ConfigRemark::line, "Of the file, from 1.")
      .read_only("column", &ConfigRemark::column, "Of the line, from 1.")
      .read_only("text", &ConfigRemark::text, "What is to be said; str(remark) has the place before it.")
      .cls()
      .def("__str__", [](const ConfigRemark& self) { return to_string(self); });
  Record<ConfigReport>(m, "ConfigReport", "What a look at a whole configuration file finds.")
      .read_only("profiles", &ConfigReport::profiles, "The names of the file's own.")
      .read_only("errors", &ConfigReport::errors, "A ConfigRemark for each mistake.")
      .read_only("notes", &ConfigReport::notes, "A ConfigRemark for each key that works under an older name.");
}

}  // namespace

ResolvedConfig settings_in_force() { return resolve(std::nullopt, true, {}); }

void bind_config(py::module_& m) {
  bind_settings(m);
  py::class_<Config>(m, "Config", "Settings that were given: a profile of a TOML file, a dict, or the environment.")
      .def(py::init<>())
      .def_static(
          "from_toml", &Config::from_toml, py::arg("path"), py::arg("profile") = "default",
          "One profile of a file, with those it extends.\n"
          "Raises NotFound when it cannot be read, InvalidArgument for a profile that is not there, and with every\n"
          "mistake of the file, each with line and column.")
      .def_static("parse", &Config::parse, py::arg("text"), py::arg("profile") = "default",
                  py::arg("name") = "config.toml",
                  "The same from text; `name` stands for the file in messages.\n"
                  "Raises InvalidArgument as from_toml does.")
      .def_static("from_dict", &config_from_dict, py::arg("values"),
                  "From a profile as a dict: sections are dicts in it. None is 'not given'.\n"
                  "Raises InvalidArgument for an unknown key, naming the nearest one, and a value that cannot be.")
      .def("to_dict", &config_to_dict, "What is given, as from_dict takes it.")
      .def_property_readonly("entries", &Config::entries,
                             "What is given, and by what: a ConfigEntry for each, in the order of settings().")
      .def("overlay", &Config::overlay, py::arg("other"), "Takes in what `other` gives, which wins.")
      .def("__contains__", [](const Config& self, const std::string& key) { return self.find(key) != nullptr; })
      .def("__getitem__",
           [](const Config& self, const std::string& key) {
             const ConfigEntry* entry = self.find(key);
             if (!entry) throw py::key_error(key);
             return to_python(entry->value);
           })
      .def("__len__", [](const Config& self) { return self.entries().size(); })
      .def(py::pickle(&config_state, &config_from_state))
      .def("__repr__", [](const Config& self) { return "<Config " + short_repr(config_to_dict(self)) + ">"; });

  py::class_<ResolvedConfig>(m, "RuntimeConfig",
                             "The settings in force, each also an attribute by its option's name, e.g. `width`.")
      .def(
          py::init(&resolve), py::arg("config") = std::nullopt, py::arg("environment") = true,
          "config: default load_config(). environment: LLMDIT_* variables win over it. Keywords, which win over both,\n"
          "are the names of options.\n"
          "Raises InvalidArgument for a value that cannot be, naming what gave it, and what load_config raises.")
      .def_property_readonly(
          "model_path", [](const ResolvedConfig& self) { return self.runtime.model; },
          "Folder, file or cached hub id of the model; '' is the demo model.")
      .def_property_readonly(
          "load", [](const ResolvedConfig& self) { return self.runtime.load; },
          "The LoadOptions, for ZImagePipeline.from_pretrained.")
      .def_property_readonly(
          "generate", [](const ResolvedConfig& self) { return self.runtime.generate; },
          "The GenerateOptions, for calls of a pipeline: pipe(prompt, options=config.generate).")
      .def_property_readonly("rewrite", &rewrite_keywords, "For PromptRewriter: rewrite(prompt, **config.rewrite).")
      .def_property_readonly(
          "config", [](const ResolvedConfig& self) { return self.config; }, "The Config of what was given.")
      .def_property_readonly(
          "origins", &origins,
          "What gave each setting its value, by key: a file and its line, a variable, ... or 'built-in'.")
      .def("__getattr__",
           [](const ResolvedConfig& self, const std::string& name) {
             const Setting* setting = setting_of_field(name);
             if (!setting) throw py::attribute_error("RuntimeConfig has no setting '" + name + "'");
             return to_python(setting->get(self.runtime));
           })
      .def(py::pickle([](const ResolvedConfig& self) { return config_state(self.config); },
                      [](const py::list& state) {
                        ResolvedConfig resolved{.config = config_from_state(state)};
                        resolved.runtime = runtime_config(resolved.config);
                        return resolved;
                      }))
      .def("__repr__", [](const ResolvedConfig& self) {
        return "<RuntimeConfig " + short_repr(config_to_dict(self.config)) + ">";
      });

  m.def(
      "settings", [] { return std::vector<Setting>(settings().begin(), settings().end()); },
      "Every Setting, in the order of the tables.");
  m.def("load_config", &load_config, py::arg("path") = std::nullopt, py::arg("profile") = std::nullopt,
        "A profile of a file; by default of find_config(), and the one that LLMDIT_PROFILE names, else 'default'.\n"
        "Raises NotFound for a file that cannot be read, InvalidArgument for a profile that is not there and for "
        "mistakes\n"
        "of the file.");
  m.def(
      "find_config", &find_config,
      "The file that LLMDIT_CONFIG names, else llmdit/config.toml in XDG_CONFIG_HOME or XDG_CONFIG_DIRS; None without "
      "one.");
  m.def("environment_config", &environment_config,
        "The variables LLMDIT_* as a Config.\n"
        "Raises InvalidArgument for a value that cannot be, and for a variable that is likely to be one of ours "
        "misspelt.");
  m.def("check_config", &check_config, py::arg("path"),
        "Checks every profile of a file. Raises NotFound when it cannot be read.");
  m.def("config_example", &config_example, "A configuration file with every setting and its help, commented out.");
}

}  // namespace llmdit::python
