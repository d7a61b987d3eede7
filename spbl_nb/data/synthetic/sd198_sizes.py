"""How many photographs SD-198 has of each of its 198 classes: the long tail of a real clinical collection, as facts.

SD-198 itself (Sun, Yang, Sun, Wang 2016) comes from its owners by request and no picture of it is here. Its class sizes
are, so that ``lesions198`` can have a tail of exactly that shape. Its pictures are drawn, not photographed: class c of
``lesions198`` shares the *size* of the c-th class below and nothing else, and bears the name of the drawn look, not of a
disease.

Taught in: notebooks/01_data, section 4.
"""

_SIZES = """
60: Acne_Vulgaris Actinic_solar_Damage(Actinic_Keratosis) Actinic_solar_Damage(Pigmentation)
  Actinic_solar_Damage(Solar_Elastosis) Allergic_Contact_Dermatitis Alopecia_Areata Basal_Cell_Carcinoma Blue_Nevus
  Compound_Nevus Congenital_Nevus Cutaneous_Horn Dermatofibroma Dyshidrosiform_Eczema Dysplastic_Nevus Eczema
  Epidermoid_Cyst Factitial_Dermatitis Ichthyosis Inverse_Psoriasis Keratoacanthoma Malignant_Melanoma Nevus_Incipiens
  Onychomycosis Perioral_Dermatitis Pityrosporum_Folliculitis Psoriasis Pyogenic_Granuloma Rhinophyma Rosacea
  Sebaceous_Gland_Hyperplasia Seborrheic_Dermatitis Seborrheic_Keratosis Skin_Tag Stasis_Dermatitis Stasis_Edema
  Stasis_Ulcer Steroid_Use_abusemisuse_Dermatitis Tinea_Corporis Tinea_Faciale Tinea_Manus Tinea_Pedis
  Tinea_Versicolor
59: Benign_Keratosis Bowen's_Disease Favre_Racouchot
58: Drug_Eruption Nail_Psoriasis Scar
57: Myxoid_Cyst
56: Fibroma_Molle Lichen_Sclerosis_Et_Atrophicus
55: Angioma Candidiasis Neurofibroma
53: Dry_Skin_Eczema Lentigo_Maligna_Melanoma Pustular_Psoriasis
52: Halo_Nevus Lichen_Planus
51: Lymphocytic_Infiltrate_of_Jessner
50: Onycholysis
49: Keloid Syringoma
47: Keratosis_Pilaris
45: Actinic_solar_Damage(Telangiectasia)
44: Acne_Keloidalis_Nuchae Angular_Cheilitis Milia Nummular_Eczema
43: Apocrine_Hydrocystoma Nevus_Sebaceous_of_Jadassohn
41: Androgenetic_Alopecia
40: Hyperkeratosis_Palmaris_Et_Plantaris Nail_Dystrophy Steroid_Acne
38: Fixed_Drug_Eruption Kerion Xerosis
37: Hypertrichosis Livedo_Reticularis Radiodermatitis
35: Cellulitis
34: Beau's_Lines Junction_Nevus Pityriasis_Rosea
33: Clubbing_of_Fingers
32: Scalp_Psoriasis
31: Darier-White_Disease Erythema_Craquele Leukonychia
30: Disseminated_Actinic_Porokeratosis Lichen_Simplex_Chronicus Tinea_Cruris
29: Exfoliative_Erythroderma Hidradenitis_Suppurativa
28: Dermatosis_Papulosa_Nigra Epidermal_Nevus
27: Infantile_Atopic_Dermatitis Metastatic_Carcinoma
26: Follicular_Mucinosis Nevus_Spilus Striae
25: Dilated_Pore_of_Winer Granuloma_Annulare Onychoschizia Pseudofolliculitis_Barbae
24: Erythema_Multiforme Herpes_Simplex_Virus Herpes_Zoster Paronychia Pitted_Keratolysis
23: Callus Median_Nail_Dystrophy Pseudorhinophyma Ulcer Verruca_Vulgaris
22: Guttate_Psoriasis
21: Actinic_solar_Damage(Solar_Purpura) Desquamation Keratolysis_Exfoliativa_of_Wende Neurodermatitis
20: Actinic_solar_Damage(Cutis_Rhomboidalis_Nuchae) Crowe's_Sign Digital_Fibroma Granulation_Tissue Koilonychia
  Leukocytoclastic_Vasculitis Lipoma
19: Green_Nail Lymphomatoid_Papulosis Molluscum_Contagiosum
18: Erythema_Ab_Igne Fordyce_Spots Morphea Trichofolliculoma
17: Becker's_Nevus Bowenoid_Papulosis Cutaneous_T-Cell_Lymphoma Fibroma Geographic_Tongue Pyoderma_Gangrenosum
  Subungual_Hematoma Toe_Deformity
16: Arsenical_Keratosis Chalazion Cutanea_Larva_Migrans Impetigo
15: Discoid_Lupus_Erythematosus Epithelioma_Adenoides_Cysticum Leiomyoma Onychogryphosis Racquet_Nail
14: Actinic_solar_Damage(Actinic_Cheilitis) Acute_Eczema Cafe_Au_Lait_Macule Eccrine_Poroma Half_and_Half_Nail
  Kyrle's_Disease Mal_Perforans Mucous_Membrane_Psoriasis Nail_Nevus Pincer_Nail_Syndrome
  Poikiloderma_Atrophicans_Vasculare Schamberg's_Disease Steroid_Striae Trichilemmal_Cyst
13: Aphthous_Ulcer Behcet's_Syndrome Nail_Ridging Scarring_Alopecia Wound_Infection
12: Cutis_Marmorata Frictional_Lichenoid_Dermatitis Hailey_Hailey_Disease Neurotic_Excoriations Pearl_Penile_Papules
  Solar_Lentigo Trichostasis_Spinulosa Vitiligo
11: Balanitis_Xerotica_Obliterans Erythema_Annulare_Centrifigum Ganglion Histiocytosis_X Lichen_Spinulosis
  Linear_Epidermal_Nevus Lymphangioma_Circumscriptum Melasma Mucha_Habermann_Disease Pityriasis_Alba Pomade_Acne
  Strawberry_Hemangioma Urticaria Varicella
10: Acrokeratosis_Verruciformis Follicular_Retention_Cyst Nevus_Comedonicus Stomatitis Terry's_Nails
"""


def _read(text: str) -> dict[str, int]:
    sizes, size = {}, 0
    for word in text.split():
        if word.endswith(":"):
            size = int(word[:-1])
        else:
            sizes[word] = size
    return sizes


SIZES: dict[str, int] = _read(_SIZES)  # class name -> number of photographs, largest first
