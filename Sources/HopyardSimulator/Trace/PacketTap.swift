/// The link-layer type of a capture, as libpcap numbers it.
public enum LinkType: UInt16, Sendable {
  /// Ethernet frames.
  case ethernet = 1
  /// IP packets without a link layer.
  case raw = 101
}

/// Which way a captured frame went, as pcapng's `epb_flags` numbers it.
public enum CaptureDirection: UInt8, Sendable {
  /// Received by the interface.
  case incoming = 1
  /// Sent by the interface.
  case outgoing = 2
}

/// An interface as captures know it.
///
/// A device that moves to another namespace becomes a new point.
public struct CapturePoint: Sendable {
  /// Its number, dense from 0 over the whole run.
  public let id: Int
  /// The machine's name, or nil where there is only one.
  public let machine: String?
  /// The namespace's name; the root namespace is `host`.
  public let namespace: String
  /// The interface's present name.
  public var interface: String
  /// The interface's index in its namespace.
  public let ifindex: Int
  /// What its frames begin with.
  public let linkType: LinkType

  /// Makes a point.
  public init(
    id: Int,
    machine: String?,
    namespace: String,
    interface: String,
    ifindex: Int,
    linkType: LinkType
  ) {
    self.id = id
    self.machine = machine
    self.namespace = namespace
    self.interface = interface
    self.ifindex = ifindex
    self.linkType = linkType
  }
}

/// Receives what a packet socket on each interface would see.
public protocol PacketTap: AnyObject {
  /// Learns of an interface before its first frame.
  func register(_ point: CapturePoint)
  /// Learns an interface's new name.
  func rename(point id: Int, to name: String)
  /// Takes a frame; the bytes are valid during the call only.
  func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  )
}
