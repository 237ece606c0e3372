// The oracle of conversions: reads lines, answers each with what Apache Avro makes of a datum under another schema.
//
//   S <writer> <target>   both base64, sets the schemas for the data that follow: `ok` or `schema <why>`
//   D <datum in hex>      `ok <datum of the target in hex>`, or `no <exception>: <message>`

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

public class Convert {
  private static GenericDatumReader<Object> reader;
  private static GenericDatumWriter<Object> writer;

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", -1);
      String answer = words[0].equals("S") ? schemas(words[1], words[2]) : datum(words[1]);
      out.write(answer.replaceAll("\\s+", " "));
      out.newLine();
    }
    out.flush();
  }

  private static String schemas(String written, String target) {
    try {
      Schema schema = parse(target);
      reader = new GenericDatumReader<>(parse(written), schema);
      writer = new GenericDatumWriter<>(schema);
      return "ok";
    } catch (Exception e) {
      return "schema " + e;
    }
  }

  private static Schema parse(String text) {
    return new Schema.Parser(NameValidator.NO_VALIDATION).setValidateDefaults(false)
        .parse(new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8));
  }

  private static String datum(String hex) {
    try {
      BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(HexFormat.of().parseHex(hex), null);
      Object value = reader.read(null, decoder);
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
      writer.write(value, encoder);
      encoder.flush();
      return "ok " + HexFormat.of().formatHex(bytes.toByteArray());
    } catch (Exception | OutOfMemoryError | StackOverflowError e) {
      return "no " + e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }
}
