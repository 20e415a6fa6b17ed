import Hopyard
import LabSupport

/// A place in a JSON document, or none: what is missing reads as empty.
struct Given {
  let value: JSONValue?

  init(_ value: JSONValue?) { self.value = value }

  subscript(name: String) -> Given { Given(value?[name]) }
  var items: [Given] { (value?.elements ?? []).map { Given($0) } }
  var fields: [(name: String, value: Given)] {
    (value?.members ?? []).map { ($0.name, Given($0.value)) }
  }
  var text: String { value?.string ?? "" }
  var integer: Int { value?.int ?? Int(text) ?? 0 }
  var isTrue: Bool { value?.isTrue ?? false }
  var isMissing: Bool { value == nil || value == .null }
  var isFalse: Bool { value == .bool(false) }
}

/// A machine on which dockerd's parts are tried.
struct DockerTestHost {
  let lab = Lab(name: "docker.lab", text: "")

  init() { try? root.setLinkUp(root.devices.loopback) }

  var root: NetworkNamespace { lab.machine.root }

  /// What a command prints in the root namespace.
  func output(_ arguments: [String]) throws -> String {
    guard let bytes = lab.runner.session.report(arguments, in: root) else {
      throw OracleError.unreadable(arguments.joined(separator: " "), "the command is not modelled")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
