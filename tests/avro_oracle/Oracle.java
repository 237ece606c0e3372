// The oracle: reads lines, answers each with Apache Avro's verdict.
//
//   S <writer> <reader or ->   both base64, sets the schemas for the data that follow: `ok` or `schema <why>`
//   D <datum in hex>           `ok`, `trailing` (it left bytes) or `no <exception>: <message>`
//   -                          `-`
//
// Collections and byte strings are limited as far as a test on a small heap needs.

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

public class Oracle {
  private static GenericDatumReader<Object> reader;

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", -1);
      String answer = switch (words[0]) {
        case "S" -> schemas(words[1], words[2]);
        case "D" -> datum(words[1]);
        default -> "-";
      };
      out.write(answer.replaceAll("\\s+", " "));
      out.newLine();
    }
    out.flush();
  }

  private static String schemas(String writer, String target) {
    try {
      Schema written = parse(writer);
      reader = new GenericDatumReader<>(written, target.equals("-") ? written : parse(target));
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
      reader.read(null, decoder);
      return decoder.isEnd() ? "ok" : "trailing";
    } catch (Exception | OutOfMemoryError | StackOverflowError e) {
      return "no " + e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }
}
