/** @file
 * What a generation would take, before anything is loaded.
 */
#ifndef LLMDIT_C_PLAN_H_
#define LLMDIT_C_PLAN_H_

#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Memory and work of a generation. */
typedef struct llmdit_memory_plan llmdit_memory_plan;

/** Of these prompts with these options, told by the headers of the files: no weight is read. `path` as in llmdit_pipeline_load.
 * `prompts` may be NULL: one of 64 tokens. `measure_speed` runs a product of the transformer's width, a second or so, for estimates of
 * time. Fails as loading would. */
LLMDIT_CHECKED llmdit_status llmdit_plan_memory(llmdit_memory_plan **plan, const char *path, const llmdit_load_options *load,
                                                const llmdit_generate_options *generate, const llmdit_texts *prompts,
                                                bool measure_speed);

/** A plan as a whole. */
typedef struct llmdit_memory_plan_info {
  uint32_t struct_size;
  bool fits;                /**< on every device */
  uint64_t process_bytes;   /**< resident now: program and libraries */
  uint64_t peak_bytes;      /**< of the stages on the CPU */
  uint64_t available_bytes; /**< on the CPU, what is resident now among it */
  int64_t width, height, batch;
  size_t component_count;
  size_t stage_count;
} llmdit_memory_plan_info;
/** Whether it fits, and how many components and stages there are. */
LLMDIT_CHECKED llmdit_status llmdit_memory_plan_describe(llmdit_memory_plan_info *info, const llmdit_memory_plan *plan);

/** The weights of one model, as they would be kept; the texts live as long as the plan. */
typedef struct llmdit_component_plan_info {
  uint32_t struct_size;
  const char *name;        /**< "text_encoder", "transformer", "vae" */
  const char *device;      /**< "cpu", "cuda:0" */
  uint64_t file_bytes;     /**< of its tensors in the files */
  uint64_t mapped_bytes;   /**< views of the files, whose pages come in when they are used */
  uint64_t copied_bytes;   /**< memory of its own: converted, quantised, or on a GPU */
  uint64_t streamed_bytes; /**< of these two, read anew for each use, as max_memory asks */
  uint64_t parameters;
} llmdit_component_plan_info;
/** The component at `index`, from 0. */
LLMDIT_CHECKED llmdit_status llmdit_memory_plan_component(llmdit_component_plan_info *info, const llmdit_memory_plan *plan,
                                                          size_t index);

/** A stage at its peak; the texts live as long as the plan. */
typedef struct llmdit_stage_plan_info {
  uint32_t struct_size;
  const char *name; /**< "encode", "denoise", "decode" */
  const char *device;
  uint64_t weight_bytes;     /**< in memory during the stage, those of earlier stages that stay among them */
  uint64_t activation_bytes; /**< what a stage works with */
  uint64_t peak_bytes;       /**< both, and on a CPU what the process itself takes */
  double flops;              /**< multiplications and additions, of all steps */
  double seconds;            /**< at the rate measured; -1 without that */
} llmdit_stage_plan_info;
/** The stage at `index`, from 0, in the order they run in. */
LLMDIT_CHECKED llmdit_status llmdit_memory_plan_stage(llmdit_stage_plan_info *info, const llmdit_memory_plan *plan, size_t index);

/** What a run would warn of; 0 for a bad handle. */
LLMDIT_API size_t llmdit_memory_plan_warning_count(const llmdit_memory_plan *plan);
LLMDIT_API const char *llmdit_memory_plan_warning(const llmdit_memory_plan *plan, size_t index); /**< NULL out of range */
/** Ends the texts of its components and stages. */
LLMDIT_API void llmdit_memory_plan_free(llmdit_memory_plan *plan);

/** The values of attention_backend that run on a device as things are now, one a line; "auto" for the device that loading picks. */
LLMDIT_CHECKED llmdit_status llmdit_attention_backends(llmdit_text **names, const char *device);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_PLAN_H_ */
