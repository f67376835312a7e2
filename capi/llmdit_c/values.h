/** @file
 * Tensors and pictures.
 */
#ifndef LLMDIT_C_VALUES_H_
#define LLMDIT_C_VALUES_H_

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The type of a tensor's numbers. */
typedef enum llmdit_dtype LLMDIT_ENUM_TYPE {
  LLMDIT_FLOAT32 = 0,
  LLMDIT_FLOAT16 = 1,
  LLMDIT_BFLOAT16 = 2,
  LLMDIT_FLOAT64 = 3,
  LLMDIT_INT64 = 4,
  LLMDIT_UINT8 = 5
} llmdit_dtype;

/** Numbers in at most 8 dimensions. */
typedef struct llmdit_tensor llmdit_tensor;

/** A tensor with a copy of `data`, row-major; at most 8 dimensions. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_from_buffer(llmdit_tensor **tensor, const void *data, llmdit_dtype dtype,
                                                       const int64_t *shape, size_t dimensions);
/** The same numbers, not copied. `managed` is a DLManagedTensor of DLPack 0.8 or older, which now belongs to the tensor; after a
 * failure it is still the caller's. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_from_dlpack(llmdit_tensor **tensor, void *managed);
/** A DLManagedTensor on the same numbers, whose deleter the caller runs when done; the tensor may be freed before. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_to_dlpack(void **managed, const llmdit_tensor *tensor);
/** Copies the numbers, row-major, as `dtype`. `size` must be that of all of them, in bytes. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_copy(void *buffer, size_t size, const llmdit_tensor *tensor, llmdit_dtype dtype);
/** The numbers where they lie, row-major; NULL unless they are on a CPU, contiguous and of `dtype`. */
LLMDIT_API const void *llmdit_tensor_data(const llmdit_tensor *tensor, llmdit_dtype dtype);
/** LLMDIT_INVALID_ARGUMENT for a type that has no name here; a copy may be of any. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_dtype(llmdit_dtype *dtype, const llmdit_tensor *tensor);
/** The number of dimensions; 0 for a bad handle. */
LLMDIT_API size_t llmdit_tensor_dimensions(const llmdit_tensor *tensor);
/** The size along one dimension; -1 out of range. */
LLMDIT_API int64_t llmdit_tensor_size(const llmdit_tensor *tensor, size_t dimension);
/** What was given out by DLPack stays. */
LLMDIT_API void llmdit_tensor_free(llmdit_tensor *tensor);

/** A picture: 8-bit RGB, row-major, three bytes a pixel, no padding between rows. */
typedef struct llmdit_image llmdit_image;

/** A picture with a copy of width * height * 3 bytes. */
LLMDIT_CHECKED llmdit_status llmdit_image_from_pixels(llmdit_image **image, const uint8_t *pixels, int64_t width, int64_t height);
/** Of a PNG, JPEG or WebP file, told by content. */
LLMDIT_CHECKED llmdit_status llmdit_image_read(llmdit_image **image, const char *path);
/** The same of a file's bytes. */
LLMDIT_CHECKED llmdit_status llmdit_image_decode(llmdit_image **image, const uint8_t *bytes, size_t size);
/** The picture in another size, by Pillow's Lanczos filter. */
LLMDIT_CHECKED llmdit_status llmdit_image_resize(llmdit_image **resized, const llmdit_image *image, int64_t width, int64_t height);
LLMDIT_API int64_t llmdit_image_width(const llmdit_image *image);  /**< pixels; 0 for a bad handle */
LLMDIT_API int64_t llmdit_image_height(const llmdit_image *image); /**< pixels; 0 for a bad handle */
/** width * height * 3 bytes; NULL for a bad handle. */
LLMDIT_API const uint8_t *llmdit_image_pixels(const llmdit_image *image);
/** In the format of the suffix, with the settings that made the picture where it comes from a result. */
LLMDIT_CHECKED llmdit_status llmdit_image_write(const llmdit_image *image, const char *path);
/** As PNG without any metadata, whatever the suffix. */
LLMDIT_CHECKED llmdit_status llmdit_image_write_png(const llmdit_image *image, const char *path);
/** The bytes of a file, with the picture's settings as llmdit_image_write has them. `format`: "png", "jpeg" or "webp". `quality`: 1
 * to 100 for JPEG and WebP, where 100 is lossless; NULL: 95, and for PNG. */
LLMDIT_CHECKED llmdit_status llmdit_image_encode(llmdit_text **bytes, const llmdit_image *image, const char *format,
                                                 const int64_t *quality);
/** A text that llmdit_image_write stores beside the pixels: "parameters", as other tools read it, or "llmdit", JSON from which the
 * picture can be made again. LLMDIT_NOT_FOUND where there is none, as for pictures that come from no result. */
LLMDIT_CHECKED llmdit_status llmdit_image_metadata(llmdit_text **text, const llmdit_image *image, const char *keyword);
/** The same of a picture's file, whose pixels are not read. */
LLMDIT_CHECKED llmdit_status llmdit_image_read_metadata(llmdit_text **text, const char *path, const char *keyword);
/** Its pixels end with it, and stay in the result that it came from. */
LLMDIT_API void llmdit_image_free(llmdit_image *image);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_VALUES_H_ */
