// The oracle of schemas: reads lines, answers each with what Apache Avro makes of them. All texts are in base64.
//
//   T <schema> <reference>...   `ok <text as Schema.toString writes it>`, or `no <why>`
//   N <schema>                  `ok` or `no <why>`: names and defaults as of a new schema
//   C <reader> <writer>         `ok <type|path|detail>...`, one for each incompatibility, or `throws <why>`

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

public class Schemas {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ");
      String answer;
      try {
        answer = switch (words[0]) {
          case "T" -> text(words);
          case "N" -> fresh(words[1]);
          default -> compare(lenient().parse(decode(words[1])), lenient().parse(decode(words[2])));
        };
      } catch (RuntimeException e) {
        answer = "no " + e;
      }
      out.write(answer.replaceAll("\\s+", " "));
      out.newLine();
    }
    out.flush();
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
