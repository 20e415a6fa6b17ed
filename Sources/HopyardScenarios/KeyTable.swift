/// What a key of a scenario file takes.
indirect enum KeyType: Sendable {
  case text
  case integer
  case boolean
  /// A span of virtual time, such as `20ms`.
  case duration
  /// Bits per second, such as `100mbit`.
  case rate
  /// A share, such as `0.1` or `1%`.
  case ratio
  case choice([String])
  case list(KeyType)
  case map(KeyType)
  case table(KeyTable)
  case either([KeyType])
  /// What another format defines, such as a compose file.
  case anything
}

/// A key of a scenario file.
struct Key: Sendable {
  let name: String
  let type: KeyType
  let about: String
  let isRequired: Bool

  init(_ name: String, _ type: KeyType, _ about: String, isRequired: Bool = false) {
    self.name = name
    self.type = type
    self.about = about
    self.isRequired = isRequired
  }
}

/// The keys of one mapping: the reader refuses others, and the JSON Schema is made of them.
final class KeyTable: Sendable {
  let name: String
  let about: String
  let keys: [Key]

  init(_ name: String, _ about: String, _ keys: [Key]) {
    self.name = name
    self.about = about
    self.keys = keys
  }

  var names: Set<String> { Set(keys.map(\.name)) }
}
