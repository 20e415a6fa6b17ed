/// Why bytes are not the header that they were read as.
public enum WireError: Error, Hashable, Sendable {
  /// Fewer bytes are there than the header needs.
  case truncated(needed: Int, available: Int)
  /// The version field holds another number than the protocol's.
  case version(UInt8)
  /// The header length field, in bytes, is less than the fixed part of the header.
  case headerLength(Int)
  /// The length field, in bytes, is less than the header itself.
  case length(Int)
  /// The type field holds a number that is not known.
  case type(UInt8)
  /// The message is for another kind of hardware or protocol address.
  case addressFormat
  /// An option is malformed; the offset of the fault counts from the start of the options.
  case option(offset: Int)
}

extension WireError: CustomStringConvertible {
  /// The fault in a few words.
  public var description: String {
    switch self {
    case .truncated(let needed, let available): "truncated: \(available) of \(needed) bytes"
    case .version(let version): "bad version \(version)"
    case .headerLength(let length): "bad header length \(length)"
    case .length(let length): "bad length \(length)"
    case .type(let type): "unknown type \(type)"
    case .addressFormat: "unknown address format"
    case .option(let offset): "bad option at offset \(offset)"
    }
  }
}
