/// A domain name (RFC 1035 §3.1): labels from the host to the root.
///
/// Names compare without regard to the case of ASCII letters and keep the case they were written
/// in. A name has at most 255 bytes and each label at most 63.
public struct DNSName: Hashable, Sendable {
  /// The name as it stands in a message, uncompressed: each label after its length, then a zero.
  public let wire: [UInt8]
  /// The same with small letters, by which names compare.
  let folded: [UInt8]

  /// The root.
  public static let root = DNSName(wire: [0])

  init(wire: [UInt8]) {
    self.wire = wire
    // Lengths are below 64, so that no length is taken for a letter.
    folded = wire.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
  }

  /// Makes a name of labels; nil if one is empty or too long, or the whole is.
  public init?(labels: some Sequence<[UInt8]>) {
    var wire: [UInt8] = []
    for label in labels {
      guard (1...63).contains(label.count) else { return nil }
      wire.append(UInt8(label.count))
      wire += label
      if wire.count > 254 { return nil }
    }
    wire.append(0)
    self.init(wire: wire)
  }

  /// Reads a name as zone files write it, with `\.` and `\DDD`; the dot at its end may lack.
  public init?(_ text: String) {
    guard let (labels, _) = Self.labels(of: text) else { return nil }
    self.init(labels: labels)
  }

  /// Reads a name relative to an origin: one that ends with a dot is whole, `@` is the origin.
  public init?(_ text: String, origin: DNSName) {
    if text == "@" {
      self = origin
      return
    }
    guard let (labels, isWhole) = Self.labels(of: text) else { return nil }
    guard let name = DNSName(labels: isWhole ? labels : labels + origin.labels) else { return nil }
    self = name
  }

  private static func labels(of text: String) -> (labels: [[UInt8]], isWhole: Bool)? {
    if text == "." { return ([], true) }
    let bytes = Array(text.utf8)
    guard !bytes.isEmpty else { return nil }
    var labels: [[UInt8]] = []
    var label: [UInt8] = []
    var index = 0
    var endsWithDot = false
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      endsWithDot = false
      switch byte {
      case UInt8(ascii: "."):
        if label.isEmpty { return nil }
        labels.append(label)
        label = []
        endsWithDot = true
      case UInt8(ascii: "\\"):
        guard let (value, length) = escaped(bytes[index...]) else { return nil }
        label.append(value)
        index += length
      default: label.append(byte)
      }
    }
    if !endsWithDot { labels.append(label) }
    return (labels, endsWithDot)
  }

  /// What stands behind a backslash, and how many bytes it takes (RFC 1035 §5.1).
  static func escaped(_ bytes: ArraySlice<UInt8>) -> (value: UInt8, length: Int)? {
    guard let first = bytes.first else { return nil }
    guard (0x30...0x39).contains(first) else { return (first, 1) }
    let digits = bytes.prefix(3)
    guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    let value = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    return value > 255 ? nil : (UInt8(value), 3)
  }

  /// The labels, the host's first.
  public var labels: [[UInt8]] {
    var labels: [[UInt8]] = []
    var index = 0
    while index < wire.count, wire[index] != 0 {
      let end = index + 1 + Int(wire[index])
      labels.append(Array(wire[(index + 1)..<end]))
      index = end
    }
    return labels
  }

  /// How many labels it has; the root has none.
  public var labelCount: Int {
    var count = 0
    var index = 0
    while index < wire.count, wire[index] != 0 {
      count += 1
      index += 1 + Int(wire[index])
    }
    return count
  }

  /// Whether it is the root.
  public var isRoot: Bool { wire.count == 1 }

  /// Whether its first label is `*` (RFC 4592 §2.1.1).
  public var isWildcard: Bool { wire.count > 2 && wire[0] == 1 && wire[1] == UInt8(ascii: "*") }

  /// The name without its first label; nil for the root.
  public var parent: DNSName? {
    isRoot ? nil : DNSName(wire: Array(wire[(1 + Int(wire[0]))...]))
  }

  /// The name and all above it, up to the root.
  public var ancestry: [DNSName] {
    var names = [self]
    while let above = names[names.count - 1].parent { names.append(above) }
    return names
  }

  /// The name with `*` in front; nil if it would be too long.
  public var wildcard: DNSName? { DNSName(labels: [[UInt8(ascii: "*")]] + labels) }

  /// Whether it is `other` or below it.
  public func isWithin(_ other: DNSName) -> Bool {
    guard folded.count >= other.folded.count else { return false }
    let start = folded.count - other.folded.count
    guard folded[start...].elementsEqual(other.folded) else { return false }
    var index = 0
    while index < start { index += 1 + Int(folded[index]) }
    return index == start
  }

  /// The name followed by another; nil if it would be too long.
  public func appending(_ suffix: DNSName) -> DNSName? {
    DNSName(labels: labels + suffix.labels)
  }

  /// The last labels of the name.
  public func suffix(_ count: Int) -> DNSName {
    var name = self
    var left = labelCount - count
    while left > 0, let parent = name.parent {
      name = parent
      left -= 1
    }
    return name
  }

  /// Whether two names are equal but for the case of letters.
  public static func == (a: DNSName, b: DNSName) -> Bool { a.folded == b.folded }

  /// Hashes without regard to case.
  public func hash(into hasher: inout Hasher) { hasher.combine(folded) }
}

extension DNSName: Comparable {
  /// The canonical order of RFC 4034 §6.1: by labels from the root.
  public static func < (a: DNSName, b: DNSName) -> Bool {
    let left = DNSName(wire: a.folded).labels.reversed()
    let right = DNSName(wire: b.folded).labels.reversed()
    for (one, other) in zip(left, right) where one != other {
      return one.lexicographicallyPrecedes(other)
    }
    return left.count < right.count
  }
}

extension DNSName: CustomStringConvertible {
  /// The name with its dot at the end, as zone files and `dig` write it.
  public var description: String { isRoot ? "." : text + "." }

  /// The name without the dot at its end; empty for the root.
  public var text: String {
    labels.map { label in
      var text = ""
      for byte in label {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: ";"),
          UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "@"), UInt8(ascii: "$"):
          text += "\\" + String(UnicodeScalar(byte))
        case 0x21...0x7e: text += String(UnicodeScalar(byte))
        default:
          let digits = String(byte)
          text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
        }
      }
      return text
    }
    .joined(separator: ".")
  }

  /// The name under which an address is found backwards: `in-addr.arpa` or `ip6.arpa`.
  public init(reverse address: IPAddress) {
    var labels: [[UInt8]] = []
    switch address {
    case .v4(let address):
      let octets = address.octets
      labels = [octets.3, octets.2, octets.1, octets.0].map { Array(String($0).utf8) }
      labels += [Array("in-addr".utf8), Array("arpa".utf8)]
    case .v6(let address):
      var value = address.rawValue
      for _ in 0..<32 {
        labels.append(Array(String(UInt8(truncatingIfNeeded: value & 15), radix: 16).utf8))
        value >>= 4
      }
      labels += [Array("ip6".utf8), Array("arpa".utf8)]
    }
    self = DNSName(labels: labels) ?? .root
  }

  /// The IPv4 address that a name below `in-addr.arpa` stands for.
  public var reversedAddress: IPv4Address? {
    let parts = labels.map { String(decoding: $0, as: UTF8.self).lowercased() }
    guard parts.count == 6, parts[4] == "in-addr", parts[5] == "arpa" else { return nil }
    return IPv4Address(parts[0..<4].reversed().joined(separator: "."))
  }
}
