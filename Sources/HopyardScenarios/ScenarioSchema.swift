/// The JSON Schema of scenario files, for editors; made of the tables that the reader uses.
public enum ScenarioSchema {
  /// The schema (draft 2020-12).
  public static var text: String {
    var writer = Writer()
    let root = writer.table(ScenarioKeys.scenario)
    var definitions: [String] = []
    // Tables that a definition refers to are added while the list is walked.
    var index = 0
    while index < writer.pending.count {
      let table = writer.pending[index]
      definitions.append("    \(quoted(table.name)): \(writer.table(table))")
      index += 1
    }
    return """
      {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hopyard scenario",
        "$defs": {
      \(definitions.joined(separator: ",\n"))
        },
        \(root.dropFirst().dropLast())
      }

      """
  }

  static func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  private struct Writer {
    var pending: [KeyTable] = []

    mutating func table(_ table: KeyTable) -> String {
      var properties: [String] = []
      for key in table.keys {
        let type = type(key.type)
        properties.append(
          "\(quoted(key.name)): {\"description\": \(quoted(key.about)), \(type.dropFirst())"
        )
      }
      let required = table.keys.filter(\.isRequired).map { quoted($0.name) }
      return "{\"description\": \(quoted(table.about)), \"type\": \"object\", "
        + "\"additionalProperties\": false, "
        + (required.isEmpty ? "" : "\"required\": [\(required.joined(separator: ", "))], ")
        + "\"properties\": {\(properties.joined(separator: ", "))}}"
    }

    private mutating func type(_ type: KeyType) -> String {
      switch type {
      case .text: return "{\"type\": [\"string\", \"number\", \"boolean\"]}"
      case .integer: return "{\"type\": \"integer\"}"
      case .boolean: return "{\"type\": \"boolean\"}"
      case .duration:
        return "{\"type\": [\"string\", \"number\"], \"pattern\": "
          + "\"^[0-9]+(\\\\.[0-9]+)?(ns|us|ms|s|m|h)?$\"}"
      case .rate:
        return "{\"type\": [\"string\", \"number\"], \"pattern\": "
          + "\"^[0-9]+(\\\\.[0-9]+)?([kmgKMG]?bit|[kmgKMG]?bps)?$\"}"
      case .ratio:
        return "{\"type\": [\"string\", \"number\"], \"pattern\": \"^[0-9]+(\\\\.[0-9]+)?%?$\"}"
      case .choice(let words):
        return "{\"enum\": [\(words.map { quoted($0) }.joined(separator: ", "))]}"
      case .list(let item): return "{\"type\": \"array\", \"items\": \(self.type(item))}"
      case .map(let value):
        return "{\"type\": \"object\", \"additionalProperties\": \(self.type(value))}"
      case .table(let table):
        if !pending.contains(where: { $0 === table }) { pending.append(table) }
        return "{\"$ref\": \"#/$defs/\(table.name.replacing(" ", with: "%20"))\"}"
      case .either(let types):
        return "{\"anyOf\": [\(types.map { self.type($0) }.joined(separator: ", "))]}"
      case .anything: return "{\"not\": {\"type\": \"null\"}}"
      }
    }
  }
}
