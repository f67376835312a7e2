// A picture of a prompt, through the C interface and koffi. From the root of the repository, after `make demo`:
//   npm install --no-save koffi
//   node examples/nodejs/text_to_picture.js "a red circle left of a blue star" picture.png [model]
const koffi = require('koffi');

const lib = koffi.load('build/lib/libllmdit_c.so');
// As far as it is needed here: the rest keeps its defaults.
const Options = koffi.struct('llmdit_generate_options', {
  struct_size: 'uint32_t', width: 'int64_t *', height: 'int64_t *', num_inference_steps: 'int64_t', seed: 'uint64_t *',
});
const initOptions = lib.func('int llmdit_generate_options_init_sized(_Out_ llmdit_generate_options *options, size_t size)');
const lastError = lib.func('const char *llmdit_last_error()');
const load = lib.func('int llmdit_pipeline_load(_Out_ void **pipeline, const char *path, const void *options)');
const generate = lib.func(
  'int llmdit_pipeline_generate(_Out_ void **result, void *pipeline, const char *prompt, size_t length, ' +
  'const llmdit_generate_options *options)');
const firstImage = lib.func('int llmdit_result_image(_Out_ void **image, void *result, size_t index)');
const write = lib.func('int llmdit_image_write_png(void *image, const char *path)');

function must(status) {
  if (status !== 0) throw new Error(lastError());
}

const [prompt = 'a red circle left of a blue star on a yellow background', picture = 'text_to_picture_nodejs.png', model = null] =
  process.argv.slice(2);
const options = {};
must(initOptions(options, koffi.sizeof(Options)));
options.num_inference_steps = 8;
options.seed = koffi.alloc('uint64_t', 1);
koffi.encode(options.seed, 'uint64_t', 1);
const pipeline = [null], result = [null], image = [null];
must(load(pipeline, model, null));
must(generate(result, pipeline[0], prompt, Buffer.byteLength(prompt), options));
must(firstImage(image, result[0], 0));
must(write(image[0], picture));
console.log(picture);
for (const [name, handle] of [['image', image], ['result', result], ['pipeline', pipeline]])
  lib.func(`void llmdit_${name}_free(void *handle)`)(handle[0]);
