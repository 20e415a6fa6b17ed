import Foundation

/// What one run of a lab wrote down: the folder that the kernel's recorder and `--record` fill alike.
public struct Recording {
  /// An interface that existed at some time of the run.
  struct Link {
    var namespace: String
    var index: Int
    var name: String
    var kind: String
    var hardwareType: Int
    var macs: [String]

    static let loopbackType = 772
    static let greType = 778
  }

  /// A logical line of the lab and what came of it.
  struct Command {
    var line: String
    var exitCode: Int
    var output: String
  }

  /// A packet with the namespace it was seen in.
  struct Packet {
    var namespace: String
    var captured: CapturedPacket
  }

  /// The folder does not hold a recording.
  public struct Unreadable: Error, CustomStringConvertible {
    public let description: String
  }

  /// The text of the lab.
  let lab: String
  let links: [Link]
  let commands: [Command]
  /// All packets in order of time.
  let packets: [Packet]
  let kernelLog: String?
  /// The namespaces at the end, the first one before the others.
  let namespaces: [String]
  private let folder: URL

  /// Reads a folder.
  public init(folder: URL) throws(Unreadable) {
    self.folder = folder
    func file(_ name: String) -> [UInt8]? {
      FileManager.default.contents(atPath: folder.appendingPathComponent(name).path).map {
        [UInt8]($0)
      }
    }
    func entries(_ name: String) throws(Unreadable) -> [String] {
      let path = folder.appendingPathComponent(name).path
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
        throw Unreadable(description: "no folder \(name)")
      }
      return names.sorted(by: TextForm.precedes)
    }

    guard let lab = file("lab.sh") else { throw Unreadable(description: "no lab.sh") }
    self.lab = Recording.text(lab)
    links = (file("links.json").flatMap(JSONValue.init(parsing:))?.elements ?? []).map(Link.init)
    guard let lines = file("commands.jsonl") else {
      throw Unreadable(description: "no commands.jsonl")
    }
    var commands: [Command] = []
    for line in lines.split(separator: 0x0a) {
      guard let record = JSONValue(parsing: Array(line)) else {
        throw Unreadable(description: "commands.jsonl: record \(commands.count + 1) is not JSON")
      }
      commands.append(Command(record))
    }
    self.commands = commands
    kernelLog = file("klog.txt").map(Recording.text)
    namespaces =
      try entries("state").filter { $0 == "host" } + entries("state").filter { $0 != "host" }

    var packets: [Packet] = []
    for name in try entries("capture") where name.hasSuffix(".pcapng") {
      let namespace = String(name.dropLast(".pcapng".count))
      do {
        let captured = try PcapngReader.packets(in: file("capture/" + name) ?? [])
        packets += captured.map { Packet(namespace: namespace, captured: $0) }
      } catch {
        throw Unreadable(description: "capture/\(name) is malformed")
      }
    }
    self.packets = packets.enumerated().sorted {
      ($0.element.captured.time, $0.offset) < ($1.element.captured.time, $1.offset)
    }.map(\.element)
  }

  /// Whether the lab asks for a mark in a `# lab:` line.
  func isMarked(_ mark: String) -> Bool {
    lab.newlineSeparated.contains { line in
      guard line.hasPrefix("# lab:") else { return false }
      return line.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")) }
        .dropFirst().contains { $0 == mark }
    }
  }

  /// A file of a namespace's final state as text, empty when there is none.
  func stateText(_ name: String, of namespace: String) -> String {
    stateFile(name, of: namespace).map(Recording.text) ?? ""
  }

  /// The elements of a list in a namespace's final state, none when there is no such list.
  func stateList(_ name: String, of namespace: String) -> [JSONValue] {
    stateFile(name, of: namespace).flatMap(JSONValue.init(parsing:))?.elements ?? []
  }

  private func stateFile(_ name: String, of namespace: String) -> [UInt8]? {
    let url = folder.appendingPathComponent("state").appendingPathComponent(namespace)
      .appendingPathComponent(name)
    return FileManager.default.contents(atPath: url.path).map { [UInt8]($0) }
  }

  /// Bytes of a text file with every kind of line end as a newline.
  private static func text(_ bytes: [UInt8]) -> String {
    guard bytes.contains(0x0d) else { return String(decoding: bytes, as: UTF8.self) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for (index, byte) in bytes.enumerated() {
      if byte == 0x0d {
        result.append(0x0a)
      } else if byte != 0x0a || index == 0 || bytes[index - 1] != 0x0d {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

extension Recording.Link {
  init(_ record: JSONValue) {
    namespace = record["ns"]?.string ?? ""
    index = record["ifindex"]?.int ?? 0
    name = record["name"]?.string ?? ""
    kind = record["kind"]?.string ?? ""
    hardwareType = record["hwtype"]?.int ?? 0
    macs = (record["macs"]?.elements ?? []).compactMap(\.string)
  }
}

extension Recording.Command {
  init(_ record: JSONValue) {
    line = record["line"]?.string ?? ""
    exitCode = record["rc"]?.int ?? 0
    output = record["out"]?.string ?? ""
  }
}
