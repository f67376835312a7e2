#include "capi/lists.hpp"
#include "capi/option_links.hpp"
#include "capi/options.hpp"

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_inspect(llmdit_text** json, const char* path, bool tensors) {
  return guarded([&] {
    llmdit_text*& place = output(json, "inspect");
    place = make_text(to_json(inspect(read_path(path, "inspect")), read_bool(tensors, "tensors")));
  });
}

llmdit_status llmdit_check_compatibility(llmdit_text** json, const char* encoder, const char* transformer) {
  return guarded([&] {
    llmdit_text*& place = output(json, "check_compatibility");
    place = make_text(
        to_json(check_compatibility(read_path(encoder, "check_compatibility"), transformer ? transformer : "")));
  });
}

llmdit_status llmdit_convert_weights(llmdit_convert_info* info, llmdit_text** warnings, const char* input,
                                     const char* output, const llmdit_convert_options* options) {
  return guarded([&] {
    const char* operation = "convert_weights";
    if (warnings) *warnings = nullptr;
    if (info) copy_struct(info, llmdit_convert_info{}, operation);  // before the work, whether it has a size
    const ConvertReport report =
        convert_weights(read_path(input, operation), read_path(output, operation), read_options(options, operation));
    if (warnings) *warnings = make_text(lines_of(report.warnings));
    if (!info) return;
    copy_struct(info,
                llmdit_convert_info{.struct_size = 0,
                                    .component = keep_text(report.component),
                                    .tensors = report.tensors,
                                    .quantized = report.quantized,
                                    .bytes = report.bytes},
                operation);
  });
}
