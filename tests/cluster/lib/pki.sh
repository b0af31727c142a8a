# shellcheck shell=bash
# Certificates and kubeconfigs of one cluster, all thrown away with it.

readonly CERTIFICATE_DAYS=30

new_key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/$1.key"
}

make_ca() {
  new_key ca
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=hookbudget-test-ca -days $CERTIFICATE_DAYS \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -out "$PKI/ca.crt"
}

# issue NAME SUBJECT USAGE [SAN]: a leaf from the cluster's CA, valid since
# yesterday, so that a client whose clock is behind believes it.
issue() {
  local extensions="basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=$3"
  [ $# -lt 4 ] || extensions+="
subjectAltName=$4"
  new_key "$1"
  openssl req -new -key "$PKI/$1.key" -subj "$2" -out "$PKI/$1.csr"
  touch "$PKI/index"
  # `openssl x509` has no option for the first day, `openssl ca` has.
  openssl ca -batch -notext -in "$PKI/$1.csr" -out "$PKI/$1.crt" -cert "$PKI/ca.crt" -keyfile "$PKI/ca.key" \
    -startdate "$(date --utc --date yesterday +%Y%m%d%H%M%SZ)" -days $CERTIFICATE_DAYS \
    -config <(printf '%s\n' "[ca]" "default_ca=here" "[here]" "database=$PKI/index" "new_certs_dir=$PKI" \
      "rand_serial=yes" "default_md=sha256" "unique_subject=no" "policy=any" "x509_extensions=leaf" \
      "[any]" "organizationName=optional" "commonName=supplied" "[leaf]" "$extensions")
}

# kubeconfig FILE CERTIFICATE: with everything inside, so that it can be copied.
kubeconfig() {
  cat >"$1" <<EOF
apiVersion: v1
kind: Config
clusters:
- name: $CLUSTER
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority-data: $(base64 --wrap 0 "$PKI/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 --wrap 0 "$PKI/$2.crt")
    client-key-data: $(base64 --wrap 0 "$PKI/$2.key")
contexts:
- name: $CLUSTER
  context: {cluster: $CLUSTER, user: $2}
current-context: $CLUSTER
EOF
  chmod 600 "$1"
}

make_pki() {
  PKI=$STATE/pki
  mkdir -p "$PKI"
  make_ca
  new_key service-account
  openssl pkey -in "$PKI/service-account.key" -pubout -out "$PKI/service-account.pub"
  issue apiserver /CN=kube-apiserver serverAuth \
    "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$API_SERVICE_IP,IP:$NODE_IP"
  issue kubelet-serving "/CN=$NODE_NAME" serverAuth "DNS:$NODE_NAME,IP:$NODE_IP"
  issue apiserver-kubelet-client /O=system:masters/CN=kube-apiserver clientAuth
  issue admin /O=system:masters/CN=admin clientAuth
  issue kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" clientAuth
  issue kube-controller-manager /CN=system:kube-controller-manager clientAuth
  issue kube-scheduler /CN=system:kube-scheduler clientAuth
  issue kube-proxy /CN=system:kube-proxy clientAuth
  issue coredns /CN=coredns clientAuth
  local user
  for user in kubelet kube-controller-manager kube-scheduler kube-proxy coredns; do
    kubeconfig "$PKI/$user.kubeconfig" "$user"
  done
  kubeconfig "$KUBECONFIG_ADMIN" admin
}
