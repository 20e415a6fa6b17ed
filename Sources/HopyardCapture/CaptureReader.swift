#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reads pcap and pcapng files, whatever their byte order and time resolution.
///
///     var reader = try CaptureReader(path: "out/demo/c1/eth0.pcap")
///     while let packet = try reader.next() { print(packet.time, packet.frame.count) }
///
/// Bytes that are no such file, or stop in the middle of a record, are an error at that place;
/// what was read before stays good.
public struct CaptureReader {
  /// The interfaces met so far; in a pcap there is one.
  public var interfaces: [CapturedInterface] {
    switch format {
    case .pcap(let pcap): [pcap.interface]
    case .pcapng(let pcapng): pcapng.interfaces
    }
  }

  private enum Format {
    case pcap(PcapParser)
    case pcapng(PcapngParser)
  }

  private var format: Format

  /// Reads a file's bytes; the name is for errors.
  public init(bytes: [UInt8], name: String = "capture") throws(CaptureError) {
    let isPcapng = bytes.starts(with: [0x0A, 0x0D, 0x0D, 0x0A])
    format =
      isPcapng
      ? .pcapng(try PcapngParser(bytes, name: name))
      : .pcap(try PcapParser(bytes, name: name))
  }

  /// Reads a file.
  public init(path: String) throws(CaptureError) {
    try self.init(bytes: Self.contents(of: path), name: path)
  }

  /// The next packet, or nil at the end of the file.
  public mutating func next() throws(CaptureError) -> CapturedPacket? {
    switch format {
    case .pcap(var pcap):
      defer { format = .pcap(pcap) }
      return try pcap.next()
    case .pcapng(var pcapng):
      defer { format = .pcapng(pcapng) }
      return try pcapng.next()
    }
  }

  /// All packets from here to the end.
  public mutating func packets() throws(CaptureError) -> [CapturedPacket] {
    var packets: [CapturedPacket] = []
    while let packet = try next() { packets.append(packet) }
    return packets
  }

  private static func contents(of path: String) throws(CaptureError) -> [UInt8] {
    guard let file = fopen(path, "rb") else { throw CaptureError(file: path, code: errno) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      bytes += chunk.prefix(count)
      if count < chunk.count { break }
    }
    if ferror(file) != 0 { throw CaptureError(file: path, code: errno) }
    return bytes
  }
}
