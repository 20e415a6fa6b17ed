import CPcap
public import HopyardSimulator

/// A capture filter that libpcap could not compile.
public struct CaptureFilterError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The filter's text.
  public let expression: String
  /// What is wrong with it, in libpcap's words.
  public let reason: String

  /// Makes an error.
  public init(expression: String, reason: String) {
    self.expression = expression
    self.reason = reason
  }

  /// libpcap's words.
  public var description: String { reason }
}

/// A filter as `tcpdump` takes it (`udp port 53 and not host 10.0.0.1`), compiled by libpcap.
public final class CaptureFilter {
  /// The filter's text.
  public let expression: String
  /// What the frames begin with.
  public let linkType: LinkType

  private let program: UnsafeMutablePointer<bpf_program>

  /// Compiles a filter for frames of a link type.
  public init(_ expression: String, linkType: LinkType) throws(CaptureFilterError) {
    guard !expression.utf8.contains(0) else {
      throw CaptureFilterError(expression: expression, reason: "zero byte in filter expression")
    }
    guard let handle = pcap_open_dead(linkType.dataLink, Int32(PcapEncoder.snapshotLength)) else {
      throw CaptureFilterError(expression: expression, reason: "out of memory")
    }
    defer { pcap_close(handle) }
    let program = UnsafeMutablePointer<bpf_program>.allocate(capacity: 1)
    program.initialize(to: bpf_program())
    let netmaskUnknown: UInt32 = 0xFFFF_FFFF
    guard pcap_compile(handle, program, expression, 1, netmaskUnknown) == 0 else {
      let reason = pcap_geterr(handle).map { String(cString: $0) } ?? "syntax error"
      program.deallocate()
      throw CaptureFilterError(expression: expression, reason: reason)
    }
    self.expression = expression
    self.linkType = linkType
    self.program = program
  }

  deinit {
    pcap_freecode(program)
    program.deallocate()
  }

  /// Whether the filter lets a frame through.
  public func matches(_ frame: UnsafeRawBufferPointer) -> Bool {
    hopyard_filter(
      program,
      UInt32(truncatingIfNeeded: frame.count),
      frame.baseAddress?.assumingMemoryBound(to: UInt8.self)
    ) != 0
  }

  /// Whether the filter lets a frame through.
  public func matches(_ frame: [UInt8]) -> Bool { frame.withUnsafeBytes { matches($0) } }
}
