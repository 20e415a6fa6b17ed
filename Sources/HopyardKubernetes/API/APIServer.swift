public import HopyardSimulator
import HopyardWire

/// Why the API server refuses a request.
public struct APIError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reason, such as `NotFound`.
  public var reason: String
  /// The sentence.
  public var message: String

  /// Makes an error.
  public init(_ reason: String, _ message: String) {
    self.reason = reason
    self.message = message
  }

  /// As kubectl prints it.
  public var description: String { "Error from server (\(reason)): \(message)" }

  static func notFound(_ key: ObjectKey) -> APIError {
    let resource = KubeKind.named(key.kind)?.resources.first ?? key.kind.lowercased()
    let group = KubeKind.groupSuffix(key.kind)
    return APIError("NotFound", "\(resource)\(group) \"\(key.name)\" not found")
  }
}

/// The store of a cluster's objects, which tells watchers of every change in virtual time.
public final class APIServer {
  /// A change of an object.
  public struct Event {
    /// What names it.
    public let key: ObjectKey
    /// The object before; nil for a new one.
    public let old: KubeObject?
    /// The object now; nil for one that is gone.
    public let new: KubeObject?
  }

  /// How long a change takes to reach the watchers.
  private static let watchDelay: Int64 = .milliseconds(1)

  /// The clock.
  public let simulation: Simulation
  private var objects: [ObjectKey: KubeObject] = [:]
  private var keys: [String: Set<ObjectKey>] = [:]
  private var watchers: [String: [(Event) -> Void]] = [:]
  private var pending: [Event] = []
  private var isScheduled = false
  /// The version of the last change.
  public private(set) var resourceVersion = 0
  private var random: RandomSource
  /// Looks at an object before it is stored, and completes it.
  var admission: ((inout KubeObject, KubeObject?) throws(APIError) -> Void)?

  /// Makes an empty store.
  public init(simulation: Simulation) {
    self.simulation = simulation
    random = simulation.randomSource("kube-apiserver")
  }

  // MARK: Reading

  /// The object of a key.
  public subscript(key: ObjectKey) -> KubeObject? { objects[key] }

  /// The object of a kind, namespace and name.
  public func get(_ kind: String, _ namespace: String, _ name: String) -> KubeObject? {
    objects[ObjectKey(kind, namespace, name)]
  }

  /// The objects of a kind in the order of their names; of one namespace, or of all.
  public func list(_ kind: String, namespace: String? = nil) -> [KubeObject] {
    (keys[kind] ?? []).filter { namespace == nil || $0.namespace == namespace }.sorted()
      .compactMap { objects[$0] }
  }

  /// How many objects of a kind there are.
  public func count(_ kind: String) -> Int { keys[kind]?.count ?? 0 }

  // MARK: Watching

  /// Calls a closure with each change of objects of a kind, a moment later.
  public func watch(_ kind: String, _ body: @escaping (Event) -> Void) {
    watchers[kind, default: []].append(body)
  }

  private func note(_ event: Event) {
    guard watchers[event.key.kind] != nil else { return }
    pending.append(event)
    guard !isScheduled else { return }
    isScheduled = true
    simulation.schedule(after: Self.watchDelay) { [weak self] in self?.deliver() }
  }

  private func deliver() {
    isScheduled = false
    let events = pending
    pending = []
    for event in events {
      for watcher in watchers[event.key.kind] ?? [] { watcher(event) }
    }
  }

  /// Whether every change has reached its watchers.
  public var isSettled: Bool { pending.isEmpty }

  // MARK: Changing

  /// Stores a new object.
  @discardableResult
  public func create(_ object: KubeObject) throws(APIError) -> KubeObject {
    var object = object
    if let known = objects[object.key] {
      let resource = KubeKind.named(known.kind)?.resources.first ?? known.kind
      throw APIError(
        "AlreadyExists",
        "\(resource)\(KubeKind.groupSuffix(known.kind)) \"\(known.meta.name)\" already exists"
      )
    }
    let isNamespaced = KubeKind.named(object.kind)?.isNamespaced ?? false
    if isNamespaced, objects[ObjectKey("Namespace", "", object.meta.namespace)] == nil {
      throw APIError("NotFound", "namespaces \"\(object.meta.namespace)\" not found")
    }
    object.meta.uid = makeUID()
    object.meta.created = simulation.now
    try admission?(&object, nil)
    return store(object, old: nil)
  }

  /// Stores a changed object; nothing happens if nothing changed.
  @discardableResult
  public func update(_ object: KubeObject) throws(APIError) -> KubeObject {
    guard let old = objects[object.key] else { throw .notFound(object.key) }
    var object = object
    object.meta.uid = old.meta.uid
    object.meta.created = old.meta.created
    if object.meta.owner == nil { object.meta.owner = old.meta.owner }
    try admission?(&object, old)
    object.meta.resourceVersion = old.meta.resourceVersion
    if object.meta == old.meta, object.body == old.body, object.source == old.source { return old }
    return store(object, old: old)
  }

  /// Changes an object in place, if it is there.
  public func modify(_ key: ObjectKey, _ body: (inout KubeObject) -> Void) {
    guard let old = objects[key] else { return }
    var object = old
    body(&object)
    if object.meta == old.meta, object.body == old.body { return }
    _ = store(object, old: old)
  }

  /// Removes an object.
  public func delete(_ key: ObjectKey) throws(APIError) {
    guard let old = objects.removeValue(forKey: key) else { throw .notFound(key) }
    keys[key.kind]?.remove(key)
    resourceVersion += 1
    note(Event(key: key, old: old, new: nil))
  }

  private func store(_ object: KubeObject, old: KubeObject?) -> KubeObject {
    var object = object
    resourceVersion += 1
    object.meta.resourceVersion = resourceVersion
    objects[object.key] = object
    if old == nil { keys[object.kind, default: []].insert(object.key) }
    note(Event(key: object.key, old: old, new: object))
    return object
  }

  private func makeUID() -> String {
    let digits = Array("0123456789abcdef")
    var text = ""
    var bits = random.next()
    for index in 0..<32 {
      if index == 16 { bits = random.next() }
      if [8, 12, 16, 20].contains(index) { text.append("-") }
      text.append(index == 12 ? "4" : digits[Int(bits & 15)])
      bits >>= 4
    }
    return text
  }
}
