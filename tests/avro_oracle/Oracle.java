// The oracle: reads lines, answers each with what Apache Avro makes of it. Schemas and texts are in base64.
//
//   S <writer> <target or ->    sets the schemas for the data that follow: `ok` or `schema <why>`
//   D <datum in hex>            `ok`, `trailing` (it left bytes) or `no <exception>: <message>`
//   W <datum in hex>            `ok <what the target's writer makes of it, in hex>`, or `no <exception>: <message>`
//   T <schema> <reference>...   `ok <text as Schema.toString writes it>`, or `no <why>`
//   N <schema>                  `ok` or `no <why>`: names and defaults as of a new schema
//   C <reader> <writer>         `ok <type|path|detail>...`, one for each incompatibility, or `throws <why>`
//   -                           `-`
//
// Collections and byte strings are limited as far as a test on a small heap needs.

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

public class Oracle {
  private static GenericDatumReader<Object> reader;
  private static GenericDatumWriter<Object> writer;

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", -1);
      String answer = switch (words[0]) {
        case "S" -> schemas(words[1], words[2]);
        case "D", "W" -> datum(words[1], words[0].equals("W"));
        case "T", "N", "C" -> schema(words);
        default -> "-";
      };
      out.write(answer.replaceAll("\\s+", " "));
      out.newLine();
    }
    out.flush();
  }

  private static String schemas(String written, String target) {
    try {
      Schema of = parse(written);
      Schema to = target.equals("-") ? of : parse(target);
      reader = new GenericDatumReader<>(of, to);
      writer = new GenericDatumWriter<>(to);
      return "ok";
    } catch (Exception e) {
      return "schema " + e;
    }
  }

  private static String datum(String hex, boolean again) {
    try {
      BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(HexFormat.of().parseHex(hex), null);
      Object value = reader.read(null, decoder);
      return again ? "ok " + written(value) : decoder.isEnd() ? "ok" : "trailing";
    } catch (Exception | OutOfMemoryError | StackOverflowError e) {
      return "no " + e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }

  private static String written(Object value) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
    writer.write(value, encoder);
    encoder.flush();
    return HexFormat.of().formatHex(bytes.toByteArray());
  }

  private static String schema(String[] words) {
    try {
      return switch (words[0]) {
        case "T" -> text(words);
        case "N" -> fresh(words[1]);
        default -> compare(parse(words[1]), parse(words[2]));
      };
    } catch (RuntimeException e) {
      return "no " + e;
    }
  }

  private static String text(String[] words) {
    Schema.Parser parser = lenient();
    List<Schema> references = new ArrayList<>();
    for (int i = 2; i < words.length; i++) {
      references.add(parser.parse(decode(words[i])));
    }
    return "ok " + encode(parser.parse(decode(words[1])).toString(references, false));
  }

  private static String fresh(String text) {
    new Schema.Parser(NameValidator.STRICT_VALIDATOR).setValidateDefaults(true).parse(decode(text));
    return "ok";
  }

  private static String compare(Schema reader, Schema writer) {
    try {
      StringBuilder found = new StringBuilder("ok");
      SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult().getIncompatibilities().forEach(one ->
          found.append(' ').append(encode(one.getType() + "|" + one.getLocation() + "|" + one.getMessage())));
      return found.toString();
    } catch (RuntimeException e) {
      return "throws " + e.getMessage();
    }
  }

  private static Schema parse(String text) {
    return lenient().parse(decode(text));
  }

  private static Schema.Parser lenient() {
    return new Schema.Parser(NameValidator.NO_VALIDATION).setValidateDefaults(false);
  }

  private static String decode(String text) {
    return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
  }

  private static String encode(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }
}
