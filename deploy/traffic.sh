#!/usr/bin/env bash
# Writes some eighty orders a second to orders.raw: most in version 1, some in version 2, which must be converted, some damaged.
# A record is the byte 0, the schema's ID in four bytes, and the datum; Kafka's console producer takes one a line, so no
# byte of it may be a line feed (10), a carriage return (13) or beyond ASCII.
set -euo pipefail

names=(Ann Bob Cleo Dora Emil Fay Gus Hana)

# Prints one byte, its value given.
byte() {
    local octal
    printf -v octal '%03o' "$1"
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$octal"
}

# Prints an order up to the name: the schema's ID, the number of the order, how long the name is.
order() {
    byte 0 && byte 0 && byte 0 && byte 0 && byte "$1"
    byte "$((2 * $2))" && byte "$((2 * ${#3}))"
}

records() {
    local turn=0 id name
    while true; do
        turn=$((turn + 1))
        id=$((turn % 50 + 10))
        name=${names[turn % ${#names[@]}]}
        case $((turn % 40)) in
            7) echo "{\"id\": $id, \"customer\": \"$name\"}" ;; # no Avro at all
            23) order 1 "$id" "$name" && echo "${name:0:1}" ;;  # cut off within the name
            5 | 15 | 25 | 35) order 2 "$id" "$name" && echo "${name}b" ;;
            *) order 1 "$id" "$name" && echo "${name}b" ;; # b is 49 cents
        esac
        sleep 0.01
    done
}

records | /opt/kafka/bin/kafka-console-producer.sh --bootstrap-server "$1" --topic orders.raw
