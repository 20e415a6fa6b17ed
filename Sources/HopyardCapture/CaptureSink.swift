public import HopyardSimulator

/// A tap that keeps what it sees, and says whether it could.
public protocol CaptureSink: PacketTap {
  /// The first error; capturing has stopped with it.
  var failure: CaptureError? { get }
  /// Writes what is still buffered.
  func flush()
  /// Writes what is still buffered and closes the files; nothing can be captured afterwards.
  func finish()
}
