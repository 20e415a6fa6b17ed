public import HopyardCapture
public import HopyardSimulator
import HopyardWire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file or directory that could not be written.
public struct RecordError: Error, Sendable, CustomStringConvertible {
  /// The file.
  public var path: String
  /// The system's reason.
  public var reason: String

  /// The file and the reason, as `path: reason`.
  public var description: String { "\(path): \(reason)" }
}

/// A record of a run, `--record DIR`, in the layout that the recorder of kernel labs writes.
public final class RecordDirectory {
  /// The directory.
  public let path: String
  /// Writes the captures of the record.
  public let tap: RecordTap

  /// The commands that show the final state, and the files that hold it.
  public static let stateCommands: [(file: String, arguments: [String])] = [
    ("iptables-save.txt", ["iptables-save", "-c"]),
    ("addr.json", ["ip", "-j", "-4", "addr", "show"]),
    ("link.json", ["ip", "-j", "-d", "link", "show"]),
    ("route.json", ["ip", "-j", "-4", "route", "show", "table", "all"]),
    ("rule.json", ["ip", "-j", "-4", "rule", "show"]),
    ("neigh.json", ["ip", "-j", "-4", "neigh", "show"]),
    ("fdb.json", ["bridge", "-j", "fdb", "show"]),
    ("conntrack.txt", ["conntrack", "-L"]),
    ("ipset.txt", ["ipset", "save"]),
  ]

  /// The further ones of a lab that asks for IPv6.
  public static let stateCommands6: [(file: String, arguments: [String])] = [
    ("addr6.json", ["ip", "-j", "-6", "addr", "show"]),
    ("route6.json", ["ip", "-j", "-6", "route", "show", "table", "all"]),
    ("rule6.json", ["ip", "-j", "-6", "rule", "show"]),
    ("neigh6.json", ["ip", "-j", "-6", "neigh", "show"]),
    ("ip6tables-save.txt", ["ip6tables-save", "-c"]),
  ]

  /// Makes the directory and what is in it.
  public init(path: String) throws(RecordError) {
    self.path = path
    for directory in [path, path + "/capture", path + "/state"] {
      try Self.makeDirectory(directory)
    }
    tap = RecordTap(directory: path)
  }

  /// Writes everything but the captures, which the tap writes: called once, when the lab has ended.
  ///
  /// The commands that show the state run on the machine, so its captures should have ended.
  public func write(
    _ session: LabSession,
    of source: ShellSource,
    iptables: String
  ) throws(RecordError) {
    let machine = session.userland.machine
    let ended = machine.simulation.now
    let isIPv6 = Self.marks(of: source).contains("ipv6")
    try writeLab(source)
    try writeCommands(session)
    try writeLinks(machine)
    for namespace in machine.namespaces {
      try writeState(session, namespace: namespace, isIPv6: isIPv6)
    }
    try writeKernelLog(machine.kernelLog)
    try writeMeta(lab: source.name, nanoseconds: ended.nanoseconds, iptables: iptables)
  }

  /// The words of the comment `# lab: …`.
  public static func marks(of source: ShellSource) -> [String] {
    let text = String(decoding: source.bytes, as: UTF8.self)
    for line in text.split(separator: "\n") where line.hasPrefix("# lab:") {
      return line.dropFirst(6).split(separator: " ").map(String.init)
    }
    return []
  }

  /// Writes the lab, verbatim.
  public func writeLab(_ source: ShellSource) throws(RecordError) {
    try Self.write(path + "/lab.sh", source.bytes)
  }

  /// Writes what each line printed.
  public func writeCommands(_ session: LabSession) throws(RecordError) {
    var text = ""
    for (index, line) in session.lines.enumerated() {
      // The recorder reads output as text: a line ends with LF, however the command ended it.
      let output = String(decoding: session.output(of: index), as: UTF8.self)
        .split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: "\n")
      text +=
        "{\"n\": \(line.number), \"line\": \(Self.json(line.text)), \"rc\": \(line.status), "
        + "\"out\": \(Self.json(output))}\n"
    }
    try Self.write(path + "/commands.jsonl", Array(text.utf8))
  }

  /// Writes the interfaces that existed on a machine.
  public func writeLinks(_ machine: Machine) throws(RecordError) {
    let lines = machine.interfaceRecords.map { link in
      let macs = link.macs.map { Self.json($0.description) }.joined(separator: ", ")
      return "{\"ns\": \(Self.json(link.namespace)), \"ifindex\": \(link.ifindex), "
        + "\"name\": \(Self.json(link.name)), \"kind\": \(Self.json(link.kind)), "
        + "\"hwtype\": \(link.hardwareType), \"macs\": [\(macs)]}"
    }
    try Self.write(
      path + "/links.json",
      Array("[\n\(lines.joined(separator: ",\n"))\n]\n".utf8)
    )
  }

  /// Writes a namespace's final state, as its own commands print it.
  public func writeState(
    _ session: LabSession,
    namespace: NetworkNamespace,
    isIPv6: Bool = false
  ) throws(RecordError) {
    try Self.writeState(
      session,
      namespace: namespace,
      to: path + "/state/" + CapturePath.component(namespace.name),
      isIPv6: isIPv6
    )
  }

  /// Writes a namespace's state into a directory of its own.
  public static func writeState(
    _ session: LabSession,
    namespace: NetworkNamespace,
    to directory: String,
    isIPv6: Bool = false
  ) throws(RecordError) {
    try makeDirectory(directory)
    for command in stateCommands + (isIPv6 ? stateCommands6 : []) {
      let output = session.report(command.arguments, in: namespace) ?? []
      try write("\(directory)/\(command.file)", output)
    }
  }

  /// Writes the lines that `-j LOG` made, if there are some.
  public func writeKernelLog(_ lines: [String]) throws(RecordError) {
    if lines.isEmpty { return }
    try Self.write(path + "/klog.txt", Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  /// Writes `meta.json`.
  public func writeMeta(lab: String, nanoseconds: Int64, iptables: String) throws(RecordError) {
    let base = lab.split(separator: "/").last.map(String.init) ?? lab
    let name = base.hasSuffix(".lab") ? String(base.dropLast(4)) : base
    let hundredths = nanoseconds / 10_000_000
    let fraction = String(100 + hundredths % 100).dropFirst()
    let text = """
      {
       "lab": \(Self.json(name)),
       "kernel": "hopyard",
       "iptables": \(Self.json(iptables)),
       "seconds": \(hundredths / 100).\(fraction)
      }

      """
    try Self.write(path + "/meta.json", Array(text.utf8))
  }

  // MARK: Files

  static func json(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static func makeDirectory(_ path: String) throws(RecordError) {
    var partial = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      partial += part + "/"
      if mkdir(partial, 0o777) != 0, errno != EEXIST {
        throw RecordError(path: partial, reason: String(cString: strerror(errno)))
      }
    }
  }

  private static func write(_ path: String, _ bytes: [UInt8]) throws(RecordError) {
    guard let file = fopen(path, "wb") else {
      throw RecordError(path: path, reason: String(cString: strerror(errno)))
    }
    let written = bytes.isEmpty ? 0 : fwrite(bytes, 1, bytes.count, file)
    let failure = errno
    if fclose(file) != 0 || written != bytes.count {
      throw RecordError(
        path: path,
        reason: String(cString: strerror(written != bytes.count ? failure : errno))
      )
    }
  }
}
