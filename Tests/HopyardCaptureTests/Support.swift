import Foundation
import HopyardCapture
import HopyardSimulator

/// A directory of a test's own, removed with it.
final class Scratch {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "/hopyard-capture-" + UUID().uuidString
    try? FileManager.default.createDirectory(
      atPath: path,
      withIntermediateDirectories: true
    )
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  /// All files below it, sorted.
  var files: [String] {
    let found = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    return found.filter { $0.hasSuffix("pcap") || $0.hasSuffix("pcapng") }.sorted()
  }

  func bytes(_ name: String) -> [UInt8] {
    [UInt8](FileManager.default.contents(atPath: file(name)) ?? Data())
  }
}

func point(
  _ id: Int,
  _ namespace: String,
  _ interface: String,
  machine: String? = nil,
  ifindex: Int = 2,
  linkType: LinkType = .ethernet
) -> CapturePoint {
  CapturePoint(
    id: id,
    machine: machine,
    namespace: namespace,
    interface: interface,
    ifindex: ifindex,
    linkType: linkType
  )
}

/// An IPv4 frame of an Ethernet, with its number in the payload.
func frame(_ number: Int, payload: Int = 56) -> [UInt8] {
  var bytes: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]
  let length = 28 + payload
  var ip: [UInt8] = [
    0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1,
    10, 0, 0, 2,
  ]
  var sum: UInt32 = 0
  for index in stride(from: 0, to: 20, by: 2) {
    sum += UInt32(ip[index]) << 8 | UInt32(ip[index + 1])
  }
  while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
  ip[10] = UInt8(~sum >> 8 & 255)
  ip[11] = UInt8(~sum & 255)
  bytes += ip
  bytes += [0x30, 0x39, 0x1E, 0x61, UInt8((8 + payload) >> 8), UInt8((8 + payload) & 255), 0, 0]
  for index in 0..<payload { bytes.append(UInt8(truncatingIfNeeded: number >> (index & 3 * 8))) }
  return bytes
}

extension PacketTap {
  func capture(
    _ frame: [UInt8],
    at nanoseconds: Int64,
    on point: Int,
    direction: CaptureDirection = .incoming
  ) {
    frame.withUnsafeBytes {
      capture($0, at: Instant(nanoseconds: nanoseconds), on: point, direction: direction)
    }
  }
}

func packets(in path: String) throws -> [CapturedPacket] {
  var reader = try CaptureReader(path: path)
  return try reader.packets()
}

/// A program's exit status and output, or nil where it is not installed.
func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String)? {
  let directories = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
  guard
    let path = directories.map({ "\($0)/\(program)" })
      .first(where: { FileManager.default.isExecutableFile(atPath: $0) })
  else { return nil }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: path)
  process.arguments = arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = FileHandle.nullDevice
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: data, as: UTF8.self))
}
