/// A large value that its owners share until one of them changes it.
///
/// Settings are the usual case: thousands of namespaces have the kernel's defaults, and few differ.
struct SharedValue<Value: Sendable>: Sendable {
  private var storage: [Value]

  /// Makes a value that copies share.
  init(_ value: Value) { storage = [value] }

  /// The value; a change makes it the owner's own.
  @inline(__always)
  var value: Value {
    get { storage[0] }
    _modify { yield &storage[0] }
  }
}
