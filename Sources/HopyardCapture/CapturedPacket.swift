public import HopyardSimulator

/// An interface that a capture file names.
public struct CapturedInterface: Equatable, Sendable {
  /// Its name, empty where the file has none.
  public var name: String
  /// What its frames begin with, as a file's LINKTYPE number.
  public var linkType: UInt16

  /// Makes an interface.
  public init(name: String, linkType: UInt16) {
    self.name = name
    self.linkType = linkType
  }
}

/// A packet read from a capture file.
public struct CapturedPacket: Equatable, Sendable {
  /// When it was captured, counted from 1970 or from a simulation's start.
  public var time: Instant
  /// The number of its interface in the file.
  public var interface: Int
  /// Which way it went, where the file says so.
  public var direction: CaptureDirection?
  /// Its length on the wire; the frame may be shorter.
  public var originalLength: Int
  /// Its bytes.
  public var frame: [UInt8]
  /// Its comments, empty where there are none.
  public var comment: String

  /// Makes a packet.
  public init(
    time: Instant,
    interface: Int,
    direction: CaptureDirection?,
    originalLength: Int,
    frame: [UInt8],
    comment: String = ""
  ) {
    self.time = time
    self.interface = interface
    self.direction = direction
    self.originalLength = originalLength
    self.frame = frame
    self.comment = comment
  }
}
