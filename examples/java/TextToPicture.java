// A picture of a prompt, through the C interface and JNA (Debian: libjna-java). From the root of the repository, after `make demo`:
//   java -cp /usr/share/java/jna.jar -Djna.library.path=build/lib examples/java/TextToPicture.java "a red circle left of a blue star" picture.png [model]
import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;

public class TextToPicture {
  /** As far as it is needed here: the rest keeps its defaults. */
  @Structure.FieldOrder({"struct_size", "width", "height", "num_inference_steps", "seed"})
  public static class GenerateOptions extends Structure {
    public int struct_size;
    public Pointer width, height;
    public long num_inference_steps;
    public Pointer seed;
  }

  interface Llmdit extends Library {
    String llmdit_last_error();
    int llmdit_generate_options_init_sized(GenerateOptions options, NativeLong structSize);
    int llmdit_pipeline_load(PointerByReference pipeline, String path, Pointer options);
    int llmdit_pipeline_generate(PointerByReference result, Pointer pipeline, byte[] prompt, NativeLong length,
        GenerateOptions options);
    int llmdit_result_image(PointerByReference image, Pointer result, NativeLong index);
    int llmdit_image_write_png(Pointer image, String path);
    void llmdit_image_free(Pointer image);
    void llmdit_result_free(Pointer result);
    void llmdit_pipeline_free(Pointer pipeline);
  }

  static final Llmdit lib = Native.load("llmdit_c", Llmdit.class, java.util.Map.of(Library.OPTION_STRING_ENCODING, "UTF-8"));

  static void must(int status) {
    if (status != 0) throw new IllegalStateException(lib.llmdit_last_error());
  }

  public static void main(String[] arguments) {
    String prompt = arguments.length > 0 ? arguments[0] : "a red circle left of a blue star on a yellow background";
    String picture = arguments.length > 1 ? arguments[1] : "text_to_picture_java.png";
    byte[] text = prompt.getBytes(StandardCharsets.UTF_8);
    GenerateOptions options = new GenerateOptions();
    must(lib.llmdit_generate_options_init_sized(options, new NativeLong(options.size())));
    options.num_inference_steps = 8;
    options.seed = new Memory(8);
    options.seed.setLong(0, 1);
    PointerByReference pipeline = new PointerByReference(), result = new PointerByReference(), image = new PointerByReference();
    must(lib.llmdit_pipeline_load(pipeline, arguments.length > 2 ? arguments[2] : null, null));
    must(lib.llmdit_pipeline_generate(result, pipeline.getValue(), text, new NativeLong(text.length), options));
    must(lib.llmdit_result_image(image, result.getValue(), new NativeLong(0)));
    must(lib.llmdit_image_write_png(image.getValue(), picture));
    System.out.println(picture);
    lib.llmdit_image_free(image.getValue());
    lib.llmdit_result_free(result.getValue());
    lib.llmdit_pipeline_free(pipeline.getValue());
  }
}
