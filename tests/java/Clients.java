// Java clients of a gate: a producer and a consumer with Apache Avro, and readers of dead letters by the names and
// encodings of Kafka Connect, Kafka Streams and Spring, taken from these frameworks' own classes.
//
//   write PROPERTIES TOPIC SCHEMA-ID SCHEMA-FILE COUNT    prints each order; one in ten is cut short
//   read PROPERTIES TOPIC SCHEMA-FILE COUNT               prints each order as Apache Avro decodes it
//   letters PROPERTIES TOPIC COUNT                        prints what each framework reads, one line per letter and framework

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter;
import org.apache.kafka.connect.runtime.errors.Stage;
import org.apache.kafka.streams.errors.internals.ExceptionHandlerUtils;
import org.springframework.kafka.support.KafkaHeaders;

public class Clients {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    try (var in = Files.newBufferedReader(Path.of(args[1]))) {
      properties.load(in);
    }
    switch (args[0]) {
      case "write" -> write(properties, args[2], Integer.parseInt(args[3]), schema(args[4]), Integer.parseInt(args[5]));
      case "read" -> read(properties, args[2], schema(args[3]), Integer.parseInt(args[4]));
      case "letters" -> each(properties, args[2], Integer.parseInt(args[3]), Clients::letter);
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static Schema schema(String file) throws Exception {
    return new Schema.Parser().parse(Files.readString(Path.of(file)));
  }

  private static void write(Properties properties, String topic, int id, Schema schema, int count) throws Exception {
    properties.put("enable.idempotence", "true");
    try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int number = 0; number < count; number++) {
        GenericData.Record order = new GenericData.Record(schema);
        order.put("id", (long) number);
        order.put("customer", "Zoë " + number % 7);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericData.Record>(schema).write(order, encoder);
        encoder.flush();
        boolean good = number % 10 != 9;
        byte[] value = good ? out.toByteArray() : java.util.Arrays.copyOf(out.toByteArray(), out.size() - 1);
        producer.send(new ProducerRecord<>(topic, ("customer-" + number % 7).getBytes(StandardCharsets.UTF_8), value)).get();
        System.out.println((good ? "good " : "bad ") + order);
      }
    }
  }

  private static void read(Properties properties, String topic, Schema schema, int count) {
    each(properties, topic, count, record -> {
      try {
        byte[] value = record.value();
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
        System.out.println("good " + new GenericDatumReader<>(schema).read(null, decoder));
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    });
  }

  private static void letter(ConsumerRecord<byte[], byte[]> record) {
    System.out.println(String.join("\t", "connect",
        text(record, DeadLetterQueueReporter.ERROR_HEADER_ORIG_TOPIC),
        "" + Integer.parseInt(text(record, DeadLetterQueueReporter.ERROR_HEADER_ORIG_PARTITION)),
        "" + Long.parseLong(text(record, DeadLetterQueueReporter.ERROR_HEADER_ORIG_OFFSET)),
        Stage.valueOf(text(record, DeadLetterQueueReporter.ERROR_HEADER_STAGE)).name(),
        text(record, DeadLetterQueueReporter.ERROR_HEADER_EXCEPTION),
        text(record, DeadLetterQueueReporter.ERROR_HEADER_CONNECTOR_NAME),
        "" + Integer.parseInt(text(record, DeadLetterQueueReporter.ERROR_HEADER_TASK_ID))));
    System.out.println(String.join("\t", "streams",
        text(record, ExceptionHandlerUtils.HEADER_ERRORS_TOPIC_NAME),
        "" + Integer.parseInt(text(record, ExceptionHandlerUtils.HEADER_ERRORS_PARTITION_NAME)),
        "" + Long.parseLong(text(record, ExceptionHandlerUtils.HEADER_ERRORS_OFFSET_NAME)),
        text(record, ExceptionHandlerUtils.HEADER_ERRORS_EXCEPTION_NAME)));
    System.out.println(String.join("\t", "spring",
        text(record, KafkaHeaders.DLT_ORIGINAL_TOPIC),
        "" + number(record, KafkaHeaders.DLT_ORIGINAL_PARTITION, 4).getInt(),
        "" + number(record, KafkaHeaders.DLT_ORIGINAL_OFFSET, 8).getLong(),
        "" + number(record, KafkaHeaders.DLT_ORIGINAL_TIMESTAMP, 8).getLong(),
        text(record, KafkaHeaders.DLT_EXCEPTION_FQCN)));
  }

  private static String text(ConsumerRecord<byte[], byte[]> record, String name) {
    return new String(only(record, name), StandardCharsets.UTF_8);
  }

  private static ByteBuffer number(ConsumerRecord<byte[], byte[]> record, String name, int size) {
    byte[] value = only(record, name);
    if (value.length != size) {
      throw new IllegalStateException(name + " has " + value.length + " bytes");
    }
    return ByteBuffer.wrap(value);
  }

  private static byte[] only(ConsumerRecord<byte[], byte[]> record, String name) {
    Header header = record.headers().lastHeader(name);
    if (header == null) {
      throw new IllegalStateException("no header " + name);
    }
    return header.value();
  }

  private static void each(
      Properties properties, String topic, int count, Consumer<ConsumerRecord<byte[], byte[]>> use) {
    properties.put("group.id", "java-reads-" + topic);
    properties.put("isolation.level", "read_committed");
    properties.put("auto.offset.reset", "earliest");
    try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of(topic));
      int seen = 0;
      long last = System.nanoTime();
      // A quiet second after the last one, so that a record too many would show.
      while (System.nanoTime() - last < (seen >= count ? 1_000_000_000L : 180_000_000_000L)) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
          use.accept(record);
          seen++;
          last = System.nanoTime();
        }
      }
    }
  }
}
