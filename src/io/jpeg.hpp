#pragma once

#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

#include "io/image_guard.hpp"

namespace llmdit::io {

/// The error manager of a libjpeg object, which prints nothing.
struct JpegErrors {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer leads here
  CodecFailure failure;

  using OnMessage = void (*)(j_common_ptr, int);

  jpeg_error_mgr* use(OnMessage on_message) {
    jpeg_std_error(&base);
    base.emit_message = on_message;
    base.output_message = [](j_common_ptr) {};
    base.error_exit = [](j_common_ptr jpeg) {
      JpegErrors& self = of(jpeg);
      char text[JMSG_LENGTH_MAX];
      self.base.format_message(jpeg, text);
      self.failure.raise(text);
    };
    return &base;
  }

  static JpegErrors& of(j_common_ptr jpeg) { return *reinterpret_cast<JpegErrors*>(jpeg->err); }
};

}  // namespace llmdit::io
