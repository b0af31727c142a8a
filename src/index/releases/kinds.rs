//! The kinds that own Jobs, of other products: none of them has to be there.

use crate::engine::release::{Application, HelmRelease};
use crate::engine::window::Kustomization;
use crate::k8s::Problem;
use crate::k8s::application::{self, ApplicationObject};
use crate::k8s::helm_release::{self, HelmReleaseObject};
use crate::k8s::kustomization::{self, KustomizationObject};

/// How a kind is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) group: &'static str,
    /// Versions that are understood, the best first.
    pub(super) versions: &'static [&'static str],
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
}

impl Resource {
    /// The name of its `CustomResourceDefinition`.
    pub(super) fn definition(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }
}

/// A kind as facts.
pub(super) trait Source: Clone + PartialEq + Send + Sync + 'static {
    const RESOURCE: Resource;

    /// The facts of an object, and what in it makes no sense.
    fn read(text: &str) -> Result<(Option<Self>, Vec<Problem>), serde_json::Error>;
}

impl Source for HelmRelease {
    const RESOURCE: Resource = Resource {
        group: helm_release::GROUP,
        versions: &["v2", "v2beta2"],
        kind: "HelmRelease",
        plural: "helmreleases",
    };

    fn read(text: &str) -> Result<(Option<Self>, Vec<Problem>), serde_json::Error> {
        let (facts, problems) = serde_json::from_str::<HelmReleaseObject<'_>>(text)?.into_facts();
        Ok((Some(facts), problems))
    }
}

impl Source for Kustomization {
    const RESOURCE: Resource = Resource {
        group: kustomization::GROUP,
        versions: &["v1", "v1beta2"],
        kind: "Kustomization",
        plural: "kustomizations",
    };

    fn read(text: &str) -> Result<(Option<Self>, Vec<Problem>), serde_json::Error> {
        Ok(serde_json::from_str::<KustomizationObject<'_>>(text)?.into_facts())
    }
}

impl Source for Application {
    const RESOURCE: Resource = Resource {
        group: application::GROUP,
        versions: &["v1alpha1"],
        kind: "Application",
        plural: "applications",
    };

    fn read(text: &str) -> Result<(Option<Self>, Vec<Problem>), serde_json::Error> {
        let facts = serde_json::from_str::<ApplicationObject<'_>>(text)?.into_facts();
        Ok((Some(facts), Vec::new()))
    }
}
