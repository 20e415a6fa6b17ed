/// How machines, namespaces and interfaces become file names.
public enum CapturePath {
  /// The file name of a machine, namespace or interface.
  ///
  /// Bytes outside `[A-Za-z0-9._@-]` become `%XX`; `.` and `..` are encoded whole, so that no name
  /// leaves its directory or hides a file.
  public static func component(_ name: String) -> String {
    if name.isEmpty { return "%" }
    if name == "." { return "%2E" }
    if name == ".." { return "%2E%2E" }
    var encoded = ""
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "@"), UInt8(ascii: "-"):
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        encoded += "%" + hexDigit(byte >> 4) + hexDigit(byte & 15)
      }
    }
    return encoded
  }

  /// `machine/namespace`, or `namespace` where there is only one machine.
  public static func namespace(machine: String?, namespace: String) -> String {
    guard let machine else { return component(namespace) }
    return component(machine) + "/" + component(namespace)
  }

  private static func hexDigit(_ value: UInt8) -> String {
    String(Unicode.Scalar(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") - 10 + value))
  }
}
