// A picture of a prompt, by plain extern "C" declarations. From the root of the repository, after `make demo`:
//   rustc -O examples/rust/text_to_picture.rs -L build/lib -l llmdit_c -C link-arg=-Wl,-rpath,$PWD/build/lib -o out/text_to_picture_rust
//   out/text_to_picture_rust "a red circle left of a blue star" picture.png [model]
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

#[repr(C)] // as far as it is needed here: the rest keeps its defaults
struct GenerateOptions {
    struct_size: u32,
    width: *const i64,
    height: *const i64,
    num_inference_steps: i64,
    seed: *const u64,
}

extern "C" {
    fn llmdit_last_error() -> *const c_char;
    fn llmdit_generate_options_init_sized(options: *mut GenerateOptions, struct_size: usize) -> c_int;
    fn llmdit_pipeline_load(pipeline: *mut *mut c_void, path: *const c_char, options: *const c_void) -> c_int;
    fn llmdit_pipeline_generate(
        result: *mut *mut c_void,
        pipeline: *const c_void,
        prompt: *const c_char,
        prompt_length: usize,
        options: *const GenerateOptions,
    ) -> c_int;
    fn llmdit_result_image(image: *mut *mut c_void, result: *const c_void, index: usize) -> c_int;
    fn llmdit_image_write_png(image: *const c_void, path: *const c_char) -> c_int;
    fn llmdit_image_free(image: *mut c_void);
    fn llmdit_result_free(result: *mut c_void);
    fn llmdit_pipeline_free(pipeline: *mut c_void);
}

fn must(status: c_int) {
    if status != 0 {
        eprintln!("{}", unsafe { CStr::from_ptr(llmdit_last_error()) }.to_string_lossy());
        std::process::exit(1);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let prompt = arguments.next().unwrap_or("a red circle left of a blue star on a yellow background".into());
    let picture = arguments.next().unwrap_or("text_to_picture_rust.png".into());
    let path = CString::new(picture.as_str()).expect("a path without NUL");
    let model = arguments.next().map(|model| CString::new(model).expect("a path without NUL"));
    let seed = 1;
    let mut options: GenerateOptions = unsafe { std::mem::zeroed() };
    let (mut pipeline, mut result, mut image) = (null_mut(), null_mut(), null_mut());
    unsafe {
        must(llmdit_generate_options_init_sized(&mut options, std::mem::size_of::<GenerateOptions>()));
        options.num_inference_steps = 8;
        options.seed = &seed;
        must(llmdit_pipeline_load(&mut pipeline, model.as_ref().map_or(null(), |model| model.as_ptr()), null()));
        must(llmdit_pipeline_generate(&mut result, pipeline, prompt.as_ptr().cast(), prompt.len(), &options));
        must(llmdit_result_image(&mut image, result, 0));
        must(llmdit_image_write_png(image, path.as_ptr()));
        llmdit_image_free(image);
        llmdit_result_free(result);
        llmdit_pipeline_free(pipeline);
    }
    println!("{picture}");
}
