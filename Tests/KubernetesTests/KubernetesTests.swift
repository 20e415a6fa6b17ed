import HopyardContainers
import HopyardServices
import HopyardSimulator
import HopyardUserland
import HopyardWire
import Testing

@testable import HopyardKubernetes

/// A cluster on a LAN with commands run on its machines.
final class ClusterBench {
  let simulation: Simulation
  let lan: ClusterLAN

  init(_ network: PodNetworkKind = .flannelVXLAN, nodes: Int = 2, seed: UInt64 = 1) throws {
    simulation = Simulation(seed: seed)
    var options = Cluster.Options()
    options.network = network
    lan = try ClusterLAN(
      simulation: simulation,
      nodes: nodes,
      options,
      commands: CommandTable.labCommands()
    )
  }

  var cluster: Cluster { lan.cluster }

  func apply(_ text: String) throws { try cluster.apply(text, file: "test.yaml") }

  /// Runs a command to its end, and gives its output and exit status.
  func run(_ words: [String], on userland: Userland? = nil) throws -> (text: String, status: Int32)
  {
    let userland = userland ?? lan.client
    let process = userland.makeProcess()
    let sink = OutputSink()
    process.setDescriptor(1, sink)
    process.setDescriptor(2, sink)
    let child = try process.spawn(words)
    for _ in 0..<6000 where child.exitStatus == nil {
      _ = simulation.run(until: simulation.now + .milliseconds(10))
    }
    return (String(decoding: sink.bytes, as: UTF8.self), child.exitStatus ?? -1)
  }

  /// A program in a pod, with the pod's files.
  private func program(_ pod: String) -> Program? {
    guard let place = cluster.pods.first(where: { $0.name == pod }) else { return nil }
    let process = place.sandbox.makeProcess("test")
    return Program(
      in: process.namespace,
      name: "test",
      pid: Int(process.pid),
      files: { try? process.contents(of: $0) }
    )
  }

  private func perform<T>(_ body: @escaping () async -> T) -> T? {
    var result: T?
    simulation.spawn { result = await body() }
    for _ in 0..<3000 where result == nil {
      _ = simulation.run(until: simulation.now + .milliseconds(10))
    }
    return result
  }

  /// The addresses of a name as a pod sees it, in order.
  func lookup(_ name: String, from pod: String) -> [String] {
    guard let program = program(pod) else { return ["no pod"] }
    let found = perform { () async -> [String] in
      do {
        return try await Resolver(program).lookup(name, .v4).addresses.map(\.description).sorted()
      } catch {
        return ["\(error)"]
      }
    }
    return found ?? ["no end"]
  }

  /// The HTTP status of a URL as a pod, or the client's machine, sees it; 0 without an answer.
  func fetch(_ url: String, from pod: String? = nil) -> Int {
    let own = pod == nil ? Program(in: lan.client.rootNamespace) : program(pod ?? "")
    guard let own else { return -1 }
    let status = perform { () async -> Int in
      do {
        return try await HTTPClient.fetch(own, url, timeout: .seconds(5)).status
      } catch {
        return 0
      }
    }
    return status ?? -2
  }

  func kubectl(_ line: String) throws -> (text: String, status: Int32) {
    try run(["kubectl"] + line.split(separator: " ").map(String.init))
  }
}

private let web = """
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    replicas: 4
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec:
        containers:
        - name: web
          image: nginx:1.27
          ports: [{name: http, containerPort: 80}]
          readinessProbe: {httpGet: {path: /, port: http}}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec:
    type: NodePort
    selector: {app: web}
    ports: [{port: 80, targetPort: http, nodePort: 30080}]
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web-headless}
  spec:
    clusterIP: None
    selector: {app: web}
    ports: [{name: http, port: 80}]
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: tester}
  spec:
    containers: [{name: box, image: busybox}]

  """

@Suite struct ClusterTests {
  @Test(arguments: PodNetworkKind.allCases.filter { $0 != .bridge })
  func podsOfAllNodesReachServices(network: PodNetworkKind) throws {
    let bench = try ClusterBench(network)
    try bench.apply(web)
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    let pods = try bench.kubectl("get pods -o wide")
    #expect(pods.text.components(" Running ") == 5, "\(pods.text)")
    for node in ["n1", "n2"] { #expect(pods.text.contains(node)) }
    #expect(bench.fetch("http://web/", from: "tester") == 200)
    let address = bench.cluster.api.get("Service", "default", "web")?.service?.clusterIPs.first
    #expect(bench.lookup("web.default.svc.cluster.local", from: "tester") == [address ?? ""])
    #expect(bench.lookup("web", from: "tester") == [address ?? ""])
    for pod in bench.cluster.api.list("Pod", namespace: "default") {
      guard let target = pod.pod?.address, pod.meta.name != "tester" else { continue }
      let ping = try bench.kubectl("exec tester -- ping -c 1 -W 1 \(target)")
      #expect(ping.status == 0, "\(pod.meta.name) \(target): \(ping.text)")
    }
  }

  @Test func aNodePortAnswersOnEveryNode() throws {
    let bench = try ClusterBench()
    try bench.apply(web)
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    for node in bench.cluster.nodes {
      #expect(bench.fetch("http://\(node.address):30080/") == 200, "\(node.name)")
    }
  }

  @Test func headlessServicesNameTheirPods() throws {
    let bench = try ClusterBench()
    try bench.apply(web)
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    #expect(bench.lookup("web-headless", from: "tester").count == 4)
  }

  @Test func scalingAndDeletingChangeTheEndpoints() throws {
    let bench = try ClusterBench()
    try bench.apply(web)
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    #expect(
      try bench.kubectl("scale deployment web --replicas=1").text == "deployment.apps/web scaled\n"
    )
    _ = bench.simulation.run(until: bench.simulation.now + .seconds(5))
    let slices = bench.cluster.names.slices("default", "web").compactMap(\.slice)
    #expect(slices.flatMap(\.endpoints).count == 1)
    #expect(try bench.kubectl("delete service web").status == 0)
    let gone = try bench.kubectl("get service web")
    #expect(gone.text == "Error from server (NotFound): services \"web\" not found\n")
    #expect(gone.status == 1)
  }

  @Test func aServiceWithoutEndpointsRefuses() throws {
    let bench = try ClusterBench()
    try bench.apply(
      """
      apiVersion: v1
      kind: Service
      metadata: {name: lost}
      spec: {selector: {app: nobody}, ports: [{port: 80}]}
      ---
      apiVersion: v1
      kind: Pod
      metadata: {name: tester}
      spec: {containers: [{name: box, image: busybox}]}
      """
    )
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    let address = bench.cluster.api.get("Service", "default", "lost")?.service?.clusterIPs.first
    let answer = try bench.kubectl("exec tester -- nc -n -z -v -w 2 \(address ?? "") 80")
    #expect(answer.text.contains("Connection refused"), "\(answer)")
  }

  @Test func whatChangesNothingOnTheWireIsTakenWithAWord() throws {
    let bench = try ClusterBench()
    try bench.apply(
      """
      apiVersion: apiextensions.k8s.io/v1
      kind: CustomResourceDefinition
      metadata: {name: routes.example.com}
      spec: {group: example.com}
      ---
      apiVersion: example.com/v1
      kind: Service
      metadata: {name: custom, namespace: shop}
      spec: {anything: [1, 2]}
      ---
      apiVersion: autoscaling/v2
      kind: HorizontalPodAutoscaler
      metadata: {name: web}
      spec: {}
      ---
      apiVersion: extensions/v1beta1
      kind: Deployment
      metadata: {name: web, namespace: shop}
      spec:
        template:
          metadata: {labels: {app: web}}
          spec: {containers: [{name: web, image: nginx}]}
      """
    )
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    let expected = [
      "assumed: namespace shop is there already",
      "assumed: objects of example.com/v1 are defined, and no controller acts on "
        + "service.example.com/custom",
      "assumed: no load is measured for HorizontalPodAutoscaler default/web",
      "assumed: extensions/v1beta1 of Deployment means what apps/v1 does",
    ]
    for text in expected { #expect(bench.cluster.assumptions.contains(text)) }
    #expect(try bench.run(["kubectl", "get", "service"]).text.contains("kubernetes"))
    #expect(bench.cluster.api.get("Service", "shop", "custom") == nil)
  }

  @Test(arguments: [
    (
      "apiVersion: v1\nkind: Deploymnet",
      "2:7: no matches for kind \"Deploymnet\" in version \"v1\""
    ),
    (
      "apiVersion: v2\nkind: Pod",
      "1:13: no matches for kind \"Pod\" in version \"v2\", expected v1"
    ),
    ("apiVersion: x/y/z\nkind: Pod", "1:13: apiVersion is `x/y/z', expected GROUP/VERSION"),
    (
      "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization",
      "2:7: a Kustomization is read by `kubectl apply -k', which is not modelled"
    ),
    (
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {port: 80}",
      "4:14: data.port is a number, expected a string: \"80\""
    ),
    (
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {on: yes}}",
      "3:34: metadata.labels.on is a boolean, expected a string: \"yes\""
    ),
    ("apiVersion: v1\nkind: Secret\nmetadata: {name: c, lables: {}}", "3:21: unknown key `lables'"),
  ])
  func manifestsAreRefusedAsTheServerRefusesThem(_ text: String, _ message: String) {
    #expect { try Manifests.read(text, file: "m.yaml") } throws: {
      "\($0)".hasPrefix("m.yaml:" + message)
    }
  }

  @Test func slowProbesAreWaitedForAndHopelessOnesAreNot() throws {
    let bench = try ClusterBench()
    try bench.apply(
      """
      apiVersion: v1
      kind: Pod
      metadata: {name: slow}
      spec:
        containers:
        - name: web
          image: nginx
          readinessProbe: {httpGet: {port: 80}, initialDelaySeconds: 200}
      """
    )
    #expect(bench.cluster.runUntilSettled())
    try bench.apply(
      """
      apiVersion: v1
      kind: Pod
      metadata: {name: lost}
      spec: {nodeSelector: {disk: fast}, containers: [{name: web, image: nginx}]}
      """
    )
    #expect(!bench.cluster.runUntilSettled())
    #expect(
      bench.cluster.complaints == [
        "pod default/lost is on no node: none has the labels, taints and free host ports it asks for"
      ]
    )
  }

  @Test func kubectlShowsEndpointsAndRanges() throws {
    let bench = try ClusterBench()
    try bench.apply(
      """
      apiVersion: v1
      kind: Pod
      metadata: {name: web, labels: {app: web}}
      spec: {nodeName: n1, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
      ---
      apiVersion: v1
      kind: Service
      metadata: {name: web}
      spec: {selector: {app: web}, ports: [{port: 80}]}
      """
    )
    #expect(bench.cluster.runUntilReady(limit: .seconds(60)))
    let address = try bench.run(["kubectl", "get", "pod", "web", "-o", "jsonpath={.status.podIP}"])
    let table = try bench.run(["kubectl", "get", "endpoints", "web"])
    #expect(table.text.contains("\(address.text):80"))
    let path = "jsonpath={range .items[*]}{.metadata.name}{\"=\"}{.status.podIP}{\"\\n\"}{end}!"
    let range = try bench.run(["kubectl", "get", "pods", "-o", path])
    #expect(range.text == "web=\(address.text)\n!")
    let first = "jsonpath={.subsets[0].addresses[0].ip}"
    let ip = try bench.run(["kubectl", "get", "endpoints", "web", "-o", first])
    #expect(ip.text == address.text)
  }

  @Test func strictManifestsNameThePlace() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selectr: {}\n"
    #expect(throws: Problem.self) { try Manifests.read(text, file: "a.yaml") }
    do {
      _ = try Manifests.read(text, file: "a.yaml")
    } catch {
      #expect("\(error)".contains("a.yaml:5:3"), "\(error)")
      #expect("\(error)".contains("did you mean `selector'"), "\(error)")
    }
  }

  @Test func hashesAreThoseOfTheStandard() {
    func hex(_ bytes: [UInt8]) -> String {
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    #expect(
      hex(SHA256.hash(Array("abc".utf8)))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    #expect(
      hex(SHA512.hash(Array("abc".utf8))).hasPrefix(
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      )
    )
  }
}

extension String {
  fileprivate func components(_ part: String) -> Int { ranges(of: part).count }
}
